/**
 * The desk as this page knows it: its state at a glance, how items stand by now, and the marks on their way.
 *
 * A mark shows at once and is sent at once, one after the other in the order they were made. One that the desk has not
 * acknowledged is kept and sent again, over reloads and restarts, until the desk takes it or refuses it.
 */

import { untrack } from "svelte";
import { SvelteMap } from "svelte/reactivity";
import { Problem, Unreachable, words } from "../api/problem";
import { sleep } from "../api/client";
import type { Outbox } from "../outbox";
import { session } from "../session.svelte";
import { reviewer } from "../truths/reviewer.svelte";
import { calls } from "./calls";
import { marksOf, type Batch } from "./outbox";
import type { Change, Edit, Gain, How, Item, Overtaken, Overview, Place, Wish } from "./types";
import { did, fileOf, labelOf, marked, samePlace, stands, wished } from "./words";

/** Who edits where nobody has given a name. */
export const NOBODY = "someone";
const GLANCE_MS = 200;
const SURVEY_MS = 700;
const FIGURES_MS = 500;
const LONGEST_MS = 15_000;
const NOTES = 4;

/** How an item stands here and now. */
export interface Standing extends Place {
  last_edit: string | null;
  by: string | null;
  /** Not acknowledged yet. */
  pending: boolean;
}

export interface Note {
  key: number;
  kind: "info" | "warning" | "error";
  text: string;
  /** The item it is about. */
  item: string | null;
  act: { words: string; run: () => void } | null;
  /** Goes away by itself. */
  brief: boolean;
}

type Said = Omit<Standing, "pending">;

class Desk {
  overview = $state.raw<Overview | null>(null);
  error = $state<unknown>(null);
  gain = $state.raw<Gain | null>(null);
  gainError = $state<unknown>(null);
  notes = $state.raw<readonly Note[]>([]);
  queue = $state.raw<readonly Batch[]>([]);
  /** Why the last attempt to send failed; null while sending works. */
  failure = $state<unknown>(null);
  sending = $state(false);
  /** Version of the ranking at the desk. */
  version = $state(0);
  /** Grows when everything fetched may be out of date. */
  epoch = $state(0);
  /** What was undone or made again last. */
  stepped = $state.raw<readonly Edit[]>([]);
  readonly unsent = $derived(this.queue.reduce((sum, { changes }) => sum + changes.length, 0));
  readonly ranking = $derived(this.overview?.ranking ?? null);
  /** The names that labels can have, those of items included. */
  readonly outputs = $derived([...new Set([...(this.overview?.outputs ?? []), ...Object.keys(this.overview?.labels ?? {})])]);
  /** Whether an item may have any number of labels. */
  readonly several = $derived(this.overview?.task === "multi-label");
  /** The name that edits get where nobody gives one: that of the key, or, for people at this machine, that of whoever started the desk. */
  readonly ownName = $derived(session.whoami?.name || session.desk?.name || "");
  readonly by = $derived(reviewer.name.trim() || this.ownName || NOBODY);

  /** What the desk has said of items since they were listed. */
  private readonly said = new SvelteMap<string, Said>();
  private readonly wishes = new SvelteMap<string, Place>();
  /** Edits that this page has made, and the last of each item. */
  private readonly own = new Set<string>();
  private readonly mine = new Map<string, Edit>();
  /** Items as they were listed: what a wish starts from. */
  private readonly listed = new Map<string, Item>();
  private outbox: Outbox<Batch> | null = null;
  private lookers = 0;
  private stop: AbortController | null = null;
  private after: string | null = null;
  private glance: ReturnType<typeof setTimeout> | undefined;
  private pumping: Promise<void> | null = null;
  private stepping: Promise<void> | null = null;
  private wake: () => void = () => undefined;
  private serial = 0;
  private gaining: AbortController | null = null;

  constructor() {
    session.whenKeyChanges.add(() => this.forget());
    document.addEventListener("visibilitychange", () => {
      if (this.lookers === 0) return;
      // A hidden tab holds no connection: a browser has few of them for one server.
      if (document.hidden) this.end();
      else this.begin();
    });
  }

  /** A page shows it; the function returned ends that. */
  attend(): () => void {
    this.lookers += 1;
    if (this.lookers === 1 && !document.hidden) this.begin();
    return () => {
      this.lookers -= 1;
      if (this.lookers === 0) this.end();
    };
  }

  /** The server came back, or another key is used. */
  again(): void {
    if (this.lookers === 0) return;
    this.end();
    this.begin();
    this.wake();
  }

  standing(item: Item): Standing {
    const said = this.said.get(item.id);
    const wish = this.wishes.get(item.id);
    return { label: item.label, labels: item.labels, fate: item.fate, last_edit: item.last_edit, by: item.by, ...said, ...wish, pending: wish !== undefined };
  }

  /** Marks items, as one step to undo. */
  mark(items: readonly Item[], wish: Wish, how: How = "assisted", why?: (item: Item) => string): void {
    if (items.length === 0) return;
    const changes = items.map((item): Change => {
      this.listed.set(item.id, item);
      return { id: item.id, to: wish, why: (why?.(item) ?? item.reasons[0]?.code ?? "").slice(0, 1000), how, seen: this.standing(item).last_edit };
    });
    this.put(changes, items.map(({ name }) => name));
    session.say(marked(items.length, items[0]!.name, wish));
  }

  /** Different wishes for different items, as one step to undo. */
  markEach(wishes: readonly (readonly [Item, Wish])[], why: string, said: string): void {
    if (wishes.length === 0) return;
    const changes = wishes.map(([item, to]): Change => {
      this.listed.set(item.id, item);
      return { id: item.id, to, why, how: "assisted", seen: this.standing(item).last_edit };
    });
    this.put(changes, wishes.map(([{ name }]) => name));
    session.say(said);
  }

  async step(which: "undo" | "redo"): Promise<void> {
    // What has not arrived needs no edit to be taken back.
    const last = this.queue.at(-1);
    if (which === "undo" && last && !last.tried && !(this.sending && this.queue.length === 1)) {
      this.setQueue(this.queue.slice(0, -1));
      this.tell("info", `Taken back before it was sent: ${last.changes.length === 1 ? fileOf(last.names[0] ?? "") : `${last.changes.length} pictures`}.`, last.changes[0]?.id ?? null);
      return;
    }
    if (this.queue.length > 0) await this.pumping;
    let arrived: () => void = () => undefined;
    this.stepping = new Promise((resolve) => (arrived = resolve));
    try {
      const found = await calls.step(which, this.by);
      for (const edit of found.edits) this.own.add(edit.id);
      this.take(found.edits);
      this.stepped = found.edits;
      const first = found.edits[0];
      if (!first) return;
      const text = found.edits.length === 1 ? `${fileOf(first.name)} is ${stands(first.after)} ${which === "undo" ? "again" : "once more"}.` : `${found.edits.length} pictures stand as ${which === "undo" ? "before" : "after"} the step.`;
      this.tell("info", `${which === "undo" ? "Undone" : "Done again"}: ${text}`, first.item, null, true);
    } catch (error) {
      session.refused(error);
      const { title, text } = words(error);
      this.tell(error instanceof Problem && error.status === 409 ? "info" : "error", error instanceof Problem && error.status === 409 ? text || title : `${title}. ${text}`, null, null, true);
    } finally {
      arrived();
      this.look();
    }
  }

  dismiss(key: number): void {
    this.notes = this.notes.filter((note) => note.key !== key);
  }

  /** Tries at once what waits to be sent. */
  sendNow(): void {
    this.wake();
    if (!session.reachable) session.tryNow();
  }

  tell(kind: Note["kind"], text: string, item: string | null, act: Note["act"] = null, brief = kind === "info"): void {
    const note: Note = { key: (this.serial += 1), kind, text, item, act, brief };
    // One message of each kind about an item is enough, and a brief one gives way.
    const others = this.notes.filter((one) => !(one.brief && brief));
    this.notes = [...others, note].slice(-NOTES);
    if (brief) setTimeout(() => this.dismiss(note.key), 6_000);
    session.say(text);
  }

  /** Asks for the state at a glance, soon and once. */
  look(ms = GLANCE_MS): void {
    clearTimeout(this.glance);
    this.glance = setTimeout(() => void this.see(), ms);
  }

  async loadGain(): Promise<void> {
    this.gaining?.abort();
    const stop = (this.gaining = new AbortController());
    try {
      const gain = await calls.gain(stop.signal);
      if (!stop.signal.aborted) [this.gain, this.gainError] = [gain, null];
    } catch (error) {
      if (!stop.signal.aborted) this.gainError = error;
    }
  }

  private put(changes: Change[], names: string[]): void {
    const source = this.overview?.source ?? "";
    const key = `${Date.now().toString(36)}-${(this.serial += 1)}`;
    this.setQueue([...this.queue, { key, source, by: this.by, changes, names, tried: false }]);
    void this.pump();
  }

  private setQueue(queue: readonly Batch[]): void {
    this.queue = queue;
    this.outbox?.keep(queue);
    const wanted = new Map<string, Place>();
    for (const { changes } of queue) {
      for (const { id, to } of changes) {
        const from = wanted.get(id) ?? this.said.get(id) ?? this.listed.get(id) ?? { label: null, labels: null, fate: "open" };
        wanted.set(id, wished({ label: from.label, labels: from.labels, fate: from.fate }, to));
      }
    }
    for (const id of [...this.wishes.keys()]) if (!wanted.has(id)) this.wishes.delete(id);
    for (const [id, place] of wanted) this.wishes.set(id, place);
  }

  /** Sends what waits, in order, until nothing does. */
  private pump(): Promise<void> {
    this.pumping ??= this.send().finally(() => (this.pumping = null));
    return this.pumping;
  }

  private async send(): Promise<void> {
    for (let failures = 0; this.queue.length > 0; ) {
      const batch = this.queue[0]!;
      this.sending = true;
      try {
        const changes = batch.tried ? await this.missing(batch) : batch.changes.map((change) => this.fresh(change));
        if (changes.length > 0) {
          const found = await calls.edit(batch.by, changes);
          for (const edit of found.edits) this.own.add(edit.id);
          this.take(found.edits, true);
          for (const one of found.overtaken) this.overruled(one, batch.by);
        }
        failures = 0;
        this.failure = null;
        this.setQueue(this.queue.filter(({ key }) => key !== batch.key));
        this.look();
      } catch (error) {
        if (!this.later(error)) {
          this.refuse(batch, error);
          continue;
        }
        this.failure = error;
        this.setQueue(this.queue.map((one) => (one.key === batch.key ? { ...one, tried: true } : one)));
        session.refused(error);
        failures += 1;
        await this.pause(Math.min(LONGEST_MS, 1_000 * 2 ** (failures - 1)));
      } finally {
        this.sending = false;
      }
    }
  }

  /** Whether the same marks may be taken later. */
  private later(error: unknown): boolean {
    return error instanceof Unreachable || (error instanceof Problem && (error.passing || error.status === 401 || error.status === 403 || error.status >= 500));
  }

  private pause(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  /** What this page itself did to the item since the mark was made has been seen. */
  private fresh(change: Change): Change {
    const last = this.mine.get(change.id);
    const said = this.said.get(change.id);
    return last && said?.last_edit === last.id ? { ...change, seen: last.id } : change;
  }

  /** Changes of a batch that an earlier attempt has not brought to the desk: its answer may have been lost on the way. */
  private async missing(batch: Batch): Promise<Change[]> {
    const left: Change[] = [];
    for (const change of batch.changes) {
      const { history, ...item } = await calls.item(change.id, false);
      this.listed.set(item.id, item);
      const last = history.at(-1);
      const arrived = last !== undefined && last.by === batch.by && last.id !== change.seen && samePlace(last.after, wished(last.before, change.to));
      if (arrived) {
        this.own.add(last.id);
        this.take([last], true);
      } else left.push(this.fresh(change));
    }
    return left;
  }

  private refuse(batch: Batch, error: unknown): void {
    this.setQueue(this.queue.filter(({ key }) => key !== batch.key));
    const { title, text } = words(error);
    const what = batch.changes.length === 1 ? `The mark on ${fileOf(batch.names[0] ?? "")}` : `${batch.changes.length} marks`;
    this.tell("error", `${what} could not be kept: ${text || title}`, batch.changes[0]?.id ?? null);
  }

  /** Somebody's edit that a mark from here has overruled without this person having seen it. */
  private overruled({ edit, item }: Overtaken, by: string): void {
    const who = edit.by === by ? "You, in another tab," : edit.by;
    const now = item === null ? null : this.mine.get(item);
    const text = `${who} had just changed ${fileOf(edit.name)}: ${did(edit)}. Your mark stands now${now ? ` (${stands(now.after)})` : ""}.`;
    const known = item === null ? undefined : this.listed.get(item);
    this.tell("warning", text, item, known ? { words: `Take ${edit.by === by ? "that" : `${edit.by}'s`}`, run: () => this.mark([known], wishFor(edit.after, this.several)) } : null, false);
  }

  /** Takes what the desk says of edits. */
  private take(edits: readonly Edit[], made = false): void {
    for (const edit of edits) {
      if (edit.item === null) continue;
      this.said.set(edit.item, { ...edit.after, last_edit: edit.id, by: edit.by });
      if (made || this.own.has(edit.id)) this.mine.set(edit.item, edit);
    }
  }

  /** Edits of other tabs and other people. */
  private hear(edits: readonly Edit[]): void {
    for (const [at, edit] of edits.entries()) {
      const mine = edit.item === null ? undefined : this.mine.get(edit.item);
      this.take([edit]);
      if (this.own.has(edit.id) || !mine || edit.item === null || samePlace(mine.after, edit.after)) continue;
      // Overruled from here already, which was said then.
      if (edits.slice(at + 1).some((later) => later.item === edit.item && this.own.has(later.id))) continue;
      const who = edit.by === this.by ? "You, in another tab," : edit.by;
      const item = this.listed.get(edit.item);
      const mend = item ? { words: "Mine again", run: () => this.mark([item], wishFor(mine.after, this.several)) } : null;
      this.tell("warning", `${who} changed ${fileOf(edit.name)} after you: ${did(edit)}. You had it ${stands(mine.after)}.`, edit.item, mend, false);
      this.mine.delete(edit.item);
    }
  }

  private begin(): void {
    if (this.stop) return;
    const stop = (this.stop = new AbortController());
    void this.follow(stop.signal);
  }

  private end(): void {
    this.stop?.abort();
    this.stop = null;
    clearTimeout(this.glance);
    this.gaining?.abort();
  }

  private async see(signal?: AbortSignal): Promise<boolean> {
    try {
      const found = await calls.overview(this.by);
      if (signal?.aborted) return false;
      this.overview = found;
      this.error = null;
      if (found.ranking.version !== this.version) this.rank(found.ranking.version);
      return true;
    } catch (error) {
      if (signal?.aborted) return false;
      this.error = error;
      session.refused(error);
      return false;
    }
  }

  private rank(version: number): void {
    const first = this.version === 0;
    this.version = version;
    // The pictures come first: the figures can wait for them.
    if (first) setTimeout(() => void this.loadGain(), FIGURES_MS);
    else void this.loadGain();
  }

  /** Follows the desk until told otherwise: first its survey, then what others do and how it ranks. */
  private async follow(signal: AbortSignal): Promise<void> {
    try {
      for (let failures = 0; !signal.aborted; ) {
        const seen = await this.see(signal);
        if (!seen) {
          failures += 1;
          await sleep(Math.min(LONGEST_MS, 1_000 * 2 ** (failures - 1)), signal);
          continue;
        }
        failures = 0;
        if (untrack(() => this.ranking?.state) === "surveying") {
          await sleep(SURVEY_MS, signal);
          continue;
        }
        await this.restore();
        this.after = this.overview?.last_edit_id ?? null;
        await this.listen(signal);
      }
    } catch (error) {
      if (!signal.aborted) this.error = error;
    }
  }

  /** Until something is lost, so that all has to be asked for anew. */
  private async listen(signal: AbortSignal): Promise<void> {
    for (;;) {
      let found;
      try {
        found = await calls.changes(this.after, this.version, untrack(() => this.ranking?.state ?? "ready"), signal);
      } catch (error) {
        if (signal.aborted || !(error instanceof Problem && error.passing) ) return void (await sleep(1_000, signal));
        await sleep(error.retryAfterMs ?? 2_000, signal);
        continue;
      }
      // The answer to a mark may still be on its way: only then is it known whose edit it is.
      if (found.edits.length > 0) await Promise.all([this.stepping, this.failure === null ? this.pumping : null]);
      if (found.restart) {
        this.said.clear();
        this.mine.clear();
        this.epoch += 1;
        return;
      }
      this.after = found.last_edit_id;
      if (found.edits.length > 0) {
        this.hear(found.edits);
        this.look();
      }
      if (this.overview) this.overview = { ...this.overview, ranking: found.ranking };
      if (found.ranking.version !== this.version) {
        this.rank(found.ranking.version);
        this.look();
      }
    }
  }

  /** Takes up what an earlier page could not send. */
  private async restore(): Promise<void> {
    if (this.outbox || !this.overview) return;
    this.outbox = marksOf(this.overview.source);
    const kept = await this.outbox.open();
    const own = new Set(this.queue.map(({ key }) => key));
    const before = kept.filter(({ key }) => !own.has(key)).map((batch) => ({ ...batch, tried: true }));
    if (before.length > 0) this.tell("info", `${before.length === 1 ? "A mark" : `${before.length} marks`} from before had not been sent: sending now.`, null, null, true);
    if (before.length > 0 || this.queue.length > 0) this.setQueue([...before, ...this.queue]);
    void this.pump();
  }

  private forget(): void {
    this.end();
    this.overview = this.gain = this.error = null;
    this.said.clear();
    this.epoch += 1;
    if (this.lookers > 0) this.begin();
  }
}

/** The wish that brings an item to stand so; `several`: an item of the set may have any number of labels. */
export function wishFor(place: Place, several: boolean): Wish {
  if (place.fate === "removed") return "remove";
  if (place.fate === "open") return "open";
  return several ? { labels: place.labels ?? (place.label === null ? [] : [place.label]) } : { label: labelOf(place) };
}

export const desk = new Desk();
