/** The shapes of the monitor's answers. */

import type { HistoryEntry } from "../api/types";

/** A share of votes with its 95 % interval; `value` is null where there are no votes yet. */
export interface Rate {
  value: number | null;
  low: number;
  high: number;
  count: number;
  n: number;
}

export interface Alarm {
  id: string;
  model: string;
  bundle_id: string;
  /** The camera, or else the site; "" where the caller named none, null for all together. */
  source: string | null;
  source_name: string;
  monitor: string;
  monitor_name: string;
  looks_like: string;
  looks_like_name: string;
  began: string;
  raised: string;
  text: string;
  evidence: Record<string, unknown>;
  acts: boolean;
  cleared: string | null;
  cleared_by: string | null;
  reason: string | null;
}

export interface AlarmInFull extends Alarm {
  predictions: HistoryEntry[];
  predictions_missing: number;
}

export interface Source {
  source: string;
  name: string;
  n: number;
  votes: number;
  last_seen: string;
  out_of_domain: Rate | null;
  /** 0–1: how much of the way to an alarm has been gone. */
  evidence: number | null;
  alarms: string[];
  held: boolean;
}

export interface Watched {
  model: string;
  bundle_id: string;
  title: string;
  current: boolean;
  state: "ok" | "alarm" | "no-gate" | "learning";
  text: string;
  n: number;
  votes: number;
  last_seen: string | null;
  out_of_domain: Rate | null;
  expected_out_of_domain: number | null;
  sources: Source[];
  sources_left_out: number;
  alarms: Alarm[];
  estimated_accuracy: { value: number; low: number; high: number; n: number; text: string } | null;
  audited: { n: number; wrong: number; value: number; low: number; high: number; text: string } | null;
  progress: { behind: number | null; caught_up: boolean; seconds_behind: number; updated: string | null; problem: string | null };
}

export interface Monitor {
  on_alarm: "review" | "tell";
  alarms_known: boolean;
  webhook: { waiting: number; failed: number; last_error: string | null; last_sent: string | null } | null;
  models: Watched[];
}

export interface Cluster {
  size: number;
  sources: { source: string; name: string; n: number }[];
  first: string;
  last: string;
  similarity: number;
  ids: string[];
  examples: { id: string; input: string | null; label: string | null; at: string }[];
}

export interface Clusters {
  refused: number;
  embedded: number;
  clusters: Cluster[];
  alone: number;
  text: string;
}
