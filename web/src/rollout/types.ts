/** The shapes of the answers about rollouts. */

export type Stage = "backtest" | "parallel" | "supervised" | "expanding" | "rolled-back" | "ended";
export type Verdict = "pass" | "fail" | "not-yet";
export type TurnName = "advance" | "pause" | "resume" | "rollback" | "clear" | "end";

export interface Row {
  id: string;
  name: string;
  model: string;
  bundle_id: string;
  stage: Stage;
  step: number;
  paused: boolean;
  opened_at: string;
  live: boolean;
  served: boolean;
  shadow_of: string | null;
  head: number;
  head_hash: string;
}

export interface Hold {
  kind: string;
  words: string;
  at: string;
  alarm_id: string | null;
  by: string | null;
}

export interface Reading {
  gate: string;
  slice: string | null;
  value: number | null;
  bound: number | null;
  threshold: number;
  n: number;
  verdict: Verdict;
  expected_more: number | null;
  words: string;
}

export interface Counts {
  arrived: number;
  waiting: number;
  blind: number;
  assisted: number;
  acted: number;
  undecided: number;
  certified: number;
  out_of_domain: number;
  seeded: number;
  final: number;
  unresolved: number;
  cannot_tell: number;
}

export interface Changed {
  compared: number;
  discordant: number;
  model_right: number;
  person_right: number;
  neither: number;
  cannot_tell: number;
  unresolved: number;
  both_wrong: number;
}

export interface Overrides {
  by: string | null;
  slice: string | null;
  proposed: number;
  overridden: number;
  cannot_tell: number;
}

export interface Point {
  at: string;
  n: number;
  value: number | null;
  bound: number | null;
}

export interface Curve {
  gate: string;
  slice: string | null;
  threshold: number;
  points: Point[];
}

export interface Turned {
  at: string;
  turn: string;
  by: string | null;
  reason: string;
  stage: Stage;
  step: number;
  evidence: Record<string, unknown>;
}

export interface Status {
  id: string;
  name: string;
  model: string;
  bundle_id: string;
  shadow_of: string | null;
  opened_at: string;
  at: string;
  head: number;
  head_hash: string;
  stage: Stage;
  step: number;
  share: number | null;
  paused: boolean;
  holds: Hold[];
  next: { stage: Stage; step: number } | null;
  may_advance: boolean;
  refusals: string[];
  expected_more: number | null;
  readings: Reading[];
  counts: Counts;
  slices: Record<string, Counts>;
  changed: Changed;
  changed_slices: Record<string, Changed>;
  overrides: Overrides[];
  workload: { decisions: number; seconds: number; timed: number; saved: number };
  harm: { audit_share: number; audits: number; acted: number; error: number; errors: number } | null;
  spent: { alpha: number; spent: number; attempt: number };
  curves: Curve[];
  queue: Record<string, { open: number; leased: number; held: number; overdue: number }>;
  people: Record<string, unknown>;
  turns: Turned[];
}

export interface Line {
  number: number;
  at: string;
  case_id: string | null;
  event: Record<string, unknown>;
  before: string;
  hash: string;
}

export interface LogPage {
  lines: Line[];
  next: number | null;
}
