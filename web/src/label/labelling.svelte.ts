/** One person's sitting: what is on the screen, what comes behind it, and what was said but is not saved yet. */

import { sleep } from "../api/client";
import { Problem, Unreachable, words } from "../api/problem";
import { session } from "../session.svelte";
import { tabStorage } from "../storage";
import { reviewer } from "../truths/reviewer.svelte";
import { calls, type Mark } from "./calls";
import type { AskedItem, LabelState, Recorded, Said } from "./types";

const HIDDEN = "drivetrain.label.hidden";
/** Items behind the one on the screen; what comes later follows a newer model. */
const AHEAD = 6;
const WAIT_S = 25;
const AGAIN_MS = 1_000;
const PATIENCE_MS = 15_000;
const REMEMBERED = 20;

interface Waiting {
  item: AskedItem;
  mark: Mark;
}

/** What a person did last, for undo: labels are the desk's to take back, skips are this page's. */
interface Done {
  item: AskedItem;
  said: Said | "skip";
}

export class Labelling {
  state = $state.raw<LabelState | null>(null);
  error = $state.raw<unknown>(null);
  /** The first is on the screen. */
  items = $state.raw<readonly AskedItem[]>([]);
  /** Nothing is left to show. */
  finished = $state(false);
  waiting = $state.raw<readonly Waiting[]>([]);
  recent = $state.raw<readonly Done[]>([]);
  /** A sentence about the last thing that went otherwise than wished. */
  remark = $state<string | null>(null);
  hides = $state<boolean | null>(recalled());
  private seen: string | null = null;
  private version = -1;
  private sending = false;
  private fetching = false;
  private wanted = false;
  private stop = new AbortController();

  readonly by = $derived(reviewer.name.trim() || session.whoami?.name || this.state?.by || "");
  readonly current = $derived<AskedItem | null>(this.items[0] ?? null);
  readonly classes = $derived(this.state?.classes ?? []);
  readonly hidden = $derived(this.hides ?? this.state?.blind ?? false);
  /** What the model makes of the item on the screen; null where there is none, or it is hidden. */
  readonly suggestion = $derived(this.hidden ? null : (this.current?.suggestion ?? null));
  readonly canUndo = $derived(this.recent.length > 0 || (this.state?.can_undo ?? false));

  /** Follows the desk until the function that is returned is called. */
  attend(): () => void {
    this.stop = new AbortController();
    const { signal } = this.stop;
    void this.follow(signal);
    return () => this.stop.abort();
  }

  private async follow(signal: AbortSignal): Promise<void> {
    while (!signal.aborted) {
      try {
        const busy = this.state === null || this.state.state === "surveying";
        this.take(await calls.state(this.by, this.state?.mark ?? null, busy ? 0 : WAIT_S, signal));
        if (this.state?.state === "surveying") await sleep(500, signal).catch(() => undefined);
      } catch (error) {
        if (signal.aborted) return;
        this.error = error;
        session.refused(error);
        await sleep(AGAIN_MS, signal).catch(() => undefined);
      }
    }
  }

  private take(found: LabelState): void {
    this.error = null;
    this.state = found;
    if (found.state === "surveying" || (found.version === 0 && found.state === "failed")) return;
    if (found.version !== this.version || (this.items.length <= 1 && !this.finished)) void this.refill(found.version);
    void this.send();
  }

  /** Asks anew for what comes behind the item on the screen, which stays. */
  async refill(version = this.version): Promise<void> {
    this.wanted = true;
    if (this.fetching) return;
    this.fetching = true;
    try {
      while (this.wanted) {
        this.wanted = false;
        const here = this.items.slice(0, 1);
        const taken = [...this.waiting.map(({ item }) => item.id), ...here.map(({ id }) => id)];
        const found = await calls.next(this.by, AHEAD, taken, AbortSignal.any([this.stop.signal, AbortSignal.timeout(PATIENCE_MS)]));
        // Whatever was said meanwhile is not shown once more.
        const said = new Set([...this.waiting, ...this.recent].map(({ item }) => item.id).concat(this.items.slice(0, 1).map(({ id }) => id)));
        const moved = this.items[0]?.id !== here[0]?.id;
        this.items = [...this.items.slice(0, 1), ...found.items.filter(({ id }) => !said.has(id))];
        this.finished = this.items.length === 0 && found.items.length === 0 && this.waiting.length === 0;
        this.version = Math.max(version, found.version);
        this.wanted ||= moved && this.items.length < 3 && found.items.length > 0;
      }
    } catch (error) {
      if (!this.stop.signal.aborted) {
        this.error = error;
        setTimeout(() => !this.stop.signal.aborted && this.items.length < 2 && void this.refill(), AGAIN_MS);
      }
    } finally {
      this.fetching = false;
    }
  }

  /** The suggestion is in sight: what is said of this item from now on is not blind. */
  see(id: string): void {
    this.seen = id;
  }

  hide(hidden: boolean): void {
    this.hides = hidden;
    try {
      tabStorage()?.setItem(HIDDEN, hidden ? "yes" : "no");
    } catch {
      // Full or switched off: it lasts as long as the page.
    }
  }

  say(said: Said): void {
    const item = this.current;
    if (!item) return;
    const how = this.seen === item.id ? "assisted" : "blind";
    this.remark = null;
    this.waiting = [...this.waiting, { item, mark: { id: item.id, to: said, how, seen: item.last_edit } }];
    this.remember({ item, said });
    this.advance();
    session.say(said === "remove" ? "None of these." : `${said.label}.`);
    void this.send();
  }

  async skip(): Promise<void> {
    const item = this.current;
    if (!item) return;
    this.remark = null;
    this.remember({ item, said: "skip" });
    this.advance();
    session.say("Later.");
    try {
      await calls.skip(this.by, item.id);
    } catch (error) {
      this.complain(error);
    }
  }

  private remember(done: Done): void {
    this.recent = [done, ...this.recent].slice(0, REMEMBERED);
  }

  private advance(): void {
    this.items = this.items.slice(1);
    if (this.items.length < 3) void this.refill();
  }

  /** Sends what waits, one after the other; what the desk refuses comes back to the screen. */
  private async send(): Promise<void> {
    if (this.sending) return;
    this.sending = true;
    try {
      while (this.waiting.length > 0) {
        const [first] = this.waiting;
        if (!first) break;
        try {
          this.told(await calls.mark(this.by, first.mark));
          this.waiting = this.waiting.slice(1);
        } catch (error) {
          if (error instanceof Unreachable || (error instanceof Problem && error.status >= 500)) {
            await sleep(AGAIN_MS, this.stop.signal).catch(() => undefined);
            if (this.stop.signal.aborted) return;
            continue;
          }
          this.waiting = this.waiting.slice(1);
          this.recent = this.recent.filter(({ item }) => item.id !== first.item.id);
          this.items = [first.item, ...this.items];
          this.complain(error);
        }
      }
    } finally {
      this.sending = false;
    }
  }

  private told(recorded: Recorded): void {
    const [first] = recorded.overtaken;
    if (first) this.remark = `${first.edit.by} had said something else of ${first.name} meanwhile; yours counts now.`;
  }

  async step(which: "undo" | "redo"): Promise<void> {
    const [last] = this.recent;
    this.remark = null;
    if (which === "undo" && last?.said === "skip") {
      this.recent = this.recent.slice(1);
      this.show(last.item);
      await calls.skip(this.by, last.item.id, true).catch((error: unknown) => this.complain(error));
      return;
    }
    while (this.waiting.length > 0 && !this.stop.signal.aborted) await sleep(20);
    try {
      const { edits } = await calls.step(which, this.by);
      for (const { item, name, id, after } of edits) {
        if (item === null) continue;
        const known = this.recent.find((one) => one.item.id === item)?.item;
        const open = after.label === null && after.fate === "open";
        this.recent = this.recent.filter((one) => one.item.id !== item);
        const plain: AskedItem = known ?? { id: item, name, width: null, height: null, chosen: "typical", words: "", suggestion: null, last_edit: id };
        if (open) this.show({ ...plain, last_edit: id });
        else {
          this.items = this.items.filter((one) => one.id !== item);
          this.remember({ item: plain, said: after.label === null ? "remove" : { label: after.label } });
          if (this.items.length < 3) void this.refill();
        }
      }
      session.say(which === "undo" ? "Taken back." : "Done again.");
    } catch (error) {
      this.complain(error);
    }
  }

  /** Puts an item on the screen, before what is there. */
  private show(item: AskedItem): void {
    this.finished = false;
    this.items = [item, ...this.items.filter(({ id }) => id !== item.id)];
  }

  /** Returns why there is no such class now, or null. */
  async add(name: string): Promise<string | null> {
    try {
      const added = await calls.add(this.by, name);
      if (this.state && !this.classes.some((one) => one.name === added.name)) {
        this.state = { ...this.state, classes: [...this.classes, { name: added.name, labels: 0 }] };
      }
      return null;
    } catch (error) {
      session.refused(error);
      return reason(error);
    }
  }

  private complain(error: unknown): void {
    if (this.stop.signal.aborted) return;
    session.refused(error);
    this.remark = reason(error);
    session.say(this.remark);
  }
}

function reason(error: unknown): string {
  const said = words(error);
  return [said.title, said.text].filter(Boolean).join(": ");
}

function recalled(): boolean | null {
  const kept = tabStorage()?.getItem(HIDDEN);
  return kept === "yes" ? true : kept === "no" ? false : null;
}
