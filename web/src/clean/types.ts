/** The shapes of the desk's answers. */

export type Fate = "open" | "kept" | "removed";

/** An item's label and fate at one moment. */
export interface Place {
  label: string | null;
  /** One by one, where an item may have any number of labels. */
  labels: string[] | null;
  fate: Fate;
}

export interface Reason {
  code: string;
  text: string;
}

export type How = "assisted" | "blind" | "adjudicated";

export interface Edit {
  id: string;
  at: string;
  by: string;
  /** Null where the set has no such item any more. */
  item: string | null;
  name: string;
  before: Place;
  after: Place;
  why: string;
  how: How;
  undoes: string | null;
  redoes: string | null;
}

export interface Item extends Place {
  id: string;
  name: string;
  suggested: string | null;
  score: number;
  reasons: Reason[];
  last_edit: string | null;
  by: string | null;
  width: number | null;
  height: number | null;
}

export interface ItemPage {
  version: number;
  total: number;
  items: Item[];
}

export interface ItemDetail extends Item {
  neighbours: Item[];
  history: Edit[];
  probs: Record<string, number>;
}

export interface Ranking {
  version: number;
  state: "surveying" | "ready" | "refitting" | "failed";
  problem: string | null;
  stage: string | null;
  items_done: number;
  items_total: number;
  /** From the newest edit until this ranking stood. */
  seconds: number | null;
}

export interface Overview {
  source: string;
  /** Null until the source has been read. */
  task: string | null;
  mode: "clean" | "label";
  outputs: string[];
  labels: Record<string, number>;
  items: number;
  fates: Record<Fate, number>;
  suspects: number;
  ranking: Ranking;
  can_undo: boolean;
  can_redo: boolean;
  last_edit_id: string | null;
  unfit: string | null;
  left_out: { name: string; reason: string; detail: string }[];
  left_out_total: number;
  notes: string[];
  log: string;
}

export interface Overtaken {
  item: string | null;
  name: string;
  edit: Edit;
}

export interface Recorded {
  edits: Edit[];
  overtaken: Overtaken[];
  last_edit_id: string | null;
}

export interface Stepped {
  edits: Edit[];
  last_edit_id: string | null;
}

export interface Changes {
  edits: Edit[];
  /** There are more than fit. */
  more: boolean;
  /** The desk does not know what this page saw last. */
  restart: boolean;
  last_edit_id: string | null;
  ranking: Ranking;
}

/** What a person wants of an item. */
export type Wish = "keep" | "remove" | "open" | { label: string } | { labels: string[] };

export interface Change {
  id: string;
  to: Wish;
  why: string;
  how: How;
  seen: string | null;
}

export interface DuplicateGroup {
  kind: string;
  items: Item[];
  proposed: string;
  why: string;
}

export interface Duplicates {
  version: number;
  total: number;
  groups: DuplicateGroup[];
}

export interface Share {
  value: number;
  low: number;
  high: number;
}

export interface Difference extends Share {
  method: string;
  n: number;
  groups: number;
}

export interface CurvePoint {
  n: number;
  accuracy: number;
  low: number;
  high: number;
}

export interface Purchase {
  labels: number;
  gain: number;
  low: number;
  high: number;
  text: string;
}

export interface Gain {
  figure: string;
  higher_is_better: boolean;
  before: Share | null;
  after: Share | null;
  difference: Difference | null;
  edited: number;
  note: string | null;
  curve: CurvePoint[];
  curve_note: string | null;
  outlook: { text: string; if_50_more: Purchase | null; if_cleaned: Purchase | null };
  version: number;
}
