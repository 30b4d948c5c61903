/** The shapes of the answers about reviews. */

export type Kind = "decide" | "confirm" | "adjudicate";

/** One thing asked of a person. */
export interface Review {
  id: string;
  rollout: string;
  kind: Kind;
  /** The proposal to confirm, or the two answers between which to decide, in the order in which they are shown. */
  shown: string[];
  /** All labels there are. */
  labels: string[];
  case: {
    metadata: Record<string, string | number | boolean>;
    slices: Record<string, string>;
    due: string | null;
    images: string[];
  };
  lease_until: string;
  /** Reviews that this person may still be given today; null: no limit. */
  left_today: number | null;
  done_today: number;
}

export interface Next {
  review: Review | null;
}

export interface Grid {
  reviews: Review[];
}

export interface Done {
  id: string;
  undo_until: string;
}

export interface Counts {
  /** Nobody has decided them. */
  open: number;
  /** Those of them that somebody looks at. */
  leased: number;
  held: number;
  overdue: number;
}

export interface Agreement {
  /** Cohen's kappa; null where too few cases were decided twice. */
  kappa: number | null;
  low: number | null;
  high: number | null;
  n: number;
}

export interface Summary {
  rollout: string;
  /** The name under which this person's decisions are kept. */
  by: string;
  by_kind: Partial<Record<Kind, Counts>>;
  overdue: number;
  left_today: number | null;
  done_today: number;
  agreement: Agreement | null;
}
