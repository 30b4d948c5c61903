/** A desk for tests: a few items, whose marks it keeps. */

import type { Change, Edit, Item, Overview } from "../src/clean/types";
import { json, problem } from "./fakes";

export function deskItem(id: string, changes: Partial<Item> = {}): Item {
  return {
    id,
    name: `black/${id}.jpg`,
    label: "black",
    labels: null,
    suggested: "teddy",
    score: 0.9,
    reasons: [{ code: "label", text: "it looks like teddy" }],
    fate: "open",
    content: `c0ffee${id}`,
    last_edit: null,
    by: null,
    width: 400,
    height: 300,
    ...changes,
  };
}

type Told = { by: string; changes: Change[] };

/** The server of a desk, as far as its pages see it. */
export class FakeDesk {
  readonly items: Item[];
  readonly edits: Edit[] = [];
  readonly told: Told[] = [];
  task = "classification";
  version = 1;
  /** The answer to marks; lost: they are taken, and nobody hears of it. */
  refuse: Response | "lost" | null = null;
  /** Done before marks are taken. */
  before: (() => void) | null = null;
  private steps: Edit[][] = [];
  private waiting: (() => void)[] = [];

  constructor(prefix: string, n = 6, changes: Partial<Item> = {}) {
    this.items = Array.from({ length: n }, (_, i) => deskItem(`${prefix}${i}`, changes));
  }

  overview(): Overview {
    const labels: Record<string, number> = { black: 0, grizzly: 0, teddy: 0 };
    const fates = { open: 0, kept: 0, removed: 0 };
    for (const item of this.items) {
      fates[item.fate] += 1;
      for (const name of item.labels ?? [item.label ?? ""]) if (item.fate !== "removed") labels[name] = (labels[name] ?? 0) + 1;
    }
    return {
      source: "bears",
      task: this.task,
      mode: "clean",
      outputs: ["black", "grizzly", "teddy"],
      labels,
      items: this.items.length,
      fates,
      relabelled: this.items.filter(({ name, label, fate }) => fate !== "removed" && label !== name.split("/")[0]).length,
      suspects: fates.open,
      ranking: { version: this.version, state: "ready", problem: null, stage: null, items_done: 6, items_total: 6, seconds: 0.4 },
      can_undo: this.steps.length > 0,
      can_redo: false,
      last_edit_id: this.edits.at(-1)?.id ?? null,
      unfit: null,
      left_out: [],
      left_out_total: 0,
      notes: [],
      log: "bears/edits.jsonl",
      lost: [],
    };
  }

  record({ by, changes }: Told, link: Partial<Edit> = {}) {
    const overtaken: { item: string; name: string; edit: Edit }[] = [];
    const edits = changes.map(({ id, to, seen }) => {
      const item = this.items.find((one) => one.id === id)!;
      const last = this.edits.findLast((edit) => edit.item === id);
      if (last && last.id !== seen) overtaken.push({ item: id, name: item.name, edit: last });
      const place = () => ({ label: item.label, labels: item.labels, fate: item.fate });
      const before = place();
      if (to === "keep") item.fate = "kept";
      else if (to === "remove") item.fate = "removed";
      else if (to === "open") item.fate = "open";
      else if ("label" in to) Object.assign(item, { label: to.label, fate: "kept" });
      else Object.assign(item, { label: to.labels.join(" "), labels: to.labels, fate: "kept" });
      const edit = { id: `e${this.edits.length}-${id}`, at: "2026-11-30T10:00:00Z", by, item: id, name: item.name, before, after: place(), why: "", how: "assisted", undoes: null, redoes: null, ...link } as Edit;
      this.edits.push(edit);
      Object.assign(item, { last_edit: edit.id, by });
      return edit;
    });
    this.ring();
    return { edits, overtaken, last_edit_id: this.edits.at(-1)?.id ?? null };
  }

  rank(): void {
    this.version += 1;
    this.ring();
  }

  answer = async (url: URL, init: RequestInit): Promise<Response | undefined> => {
    const { pathname: path, searchParams: query } = url;
    const body = () => JSON.parse(init.body as string);
    if (path === "/v1/whoami") return json({ keys_required: false, role: "admin", name: null, version: "0.3.0", desk: { mode: "clean", source: "bears", pages: ["clean", "duplicates"], name: "keeper" } });
    if (path === "/v1/desk") return json(this.overview());
    if (path === "/v1/desk/edits") {
      if (this.refuse === "lost") {
        this.record(body());
        throw new TypeError("no network");
      }
      if (this.refuse) return this.refuse.clone();
      const told: Told = body();
      this.told.push(told);
      this.before?.();
      this.before = null;
      const made = this.record(told);
      this.steps.push(made.edits);
      return json(made);
    }
    if (path === "/v1/desk/undo") {
      const last = this.steps.pop();
      if (!last) return problem(409, "conflict", "ann has nothing to undo.");
      const made = last.map((edit) => {
        const item = this.items.find((one) => one.id === edit.item)!;
        Object.assign(item, edit.before);
        const back = { ...edit, id: `u${this.edits.length}-${edit.item}`, before: edit.after, after: edit.before, undoes: edit.id };
        this.edits.push(back);
        return back;
      });
      return json({ edits: made, last_edit_id: this.edits.at(-1)!.id });
    }
    if (path === "/v1/desk/changes") {
      const at = this.edits.findIndex(({ id }) => id === query.get("after")) + 1;
      if (at === this.edits.length && this.version === Number(query.get("version"))) await new Promise<void>((resolve) => this.waiting.push(resolve));
      return json({ edits: this.edits.slice(at), more: false, restart: false, last_edit_id: this.edits.at(-1)?.id ?? null, ranking: this.overview().ranking });
    }
    if (path === "/v1/desk/gain") {
      return json({ figure: "accuracy", higher_is_better: true, before: null, after: null, difference: null, edited: 0, note: "Nothing has been edited yet.", curve: [], curve_note: null, outlook: { text: "", if_50_more: null, if_cleaned: null }, version: 1 });
    }
    if (path === "/v1/desk/duplicates") {
      const groups = [
        { kind: "exact", items: this.items.slice(0, 2), proposed: this.items[0]!.id, why: "it comes first" },
        { kind: "exact", items: this.items.slice(2, 4), proposed: this.items[2]!.id, why: "it comes first" },
        { kind: "embedding", items: this.items.slice(4, 6), proposed: this.items[5]!.id, why: "it is the larger" },
      ];
      return json({ version: this.version, total: groups.length, groups });
    }
    if (path === "/v1/desk/items") {
      const listed = this.items.filter((item) => (!query.get("fate") || item.fate === query.get("fate")) && (!query.get("label") || item.label === query.get("label")));
      const offset = Number(query.get("offset"));
      return json({ version: this.version, total: listed.length, items: listed.slice(offset, offset + Number(query.get("limit"))) });
    }
    const one = /^\/v1\/desk\/items\/(\w+)$/.exec(path);
    const item = this.items.find(({ id }) => id === one?.[1]);
    if (item) return json({ ...item, neighbours: this.items.filter((other) => other !== item).slice(0, 2), history: this.edits.filter((edit) => edit.item === item.id), probs: { black: 0.1, grizzly: 0.1, teddy: 0.8 } });
    return undefined;
  };

  private ring(): void {
    const told = this.waiting;
    this.waiting = [];
    for (const one of told) one();
  }
}
