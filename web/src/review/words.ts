/** Reviews as a person reads them. */

import { count } from "../format";
import type { Agreement, Kind } from "./types";

export const KINDS: readonly Kind[] = ["decide", "confirm", "adjudicate"];

export const TITLES: Record<Kind, string> = {
  decide: "Decide",
  confirm: "Confirm or correct",
  adjudicate: "Which answer is right?",
};

/** The task in a sentence. */
export const TASKS: Record<Kind, string> = {
  decide: "Say what you see. Nothing on this page tells what anybody else has said.",
  confirm: "The model proposes an answer. It takes effect when you confirm it, and yours does when you correct it.",
  adjudicate: "Two answers were given, in random order. Say which is right, or that neither is.",
};

export const SHORT: Record<Kind, string> = { decide: "decide", confirm: "confirm", adjudicate: "compare" };

/** “4 min 10 s”, “35 s”, “2 h 5 min”: time that is left. */
export function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 600) return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 48 * 3600) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return count(Math.floor(seconds / 86_400), "day");
}

export interface Due {
  words: string;
  /** How much it presses. */
  tone: "calm" | "soon" | "over";
}

const SOON_MS = 60 * 60_000;

/** When a case has to be decided; null where nobody said. */
export function due(iso: string | null, now: Date): Due | null {
  if (iso === null) return null;
  const left = new Date(iso).getTime() - now.getTime();
  if (!Number.isFinite(left)) return null;
  if (left < 0) return { words: `overdue by ${span(-left)}`, tone: "over" };
  return { words: `due in ${span(left)}`, tone: left < SOON_MS ? "soon" : "calm" };
}

/** Landis and Koch's words for it are conventions, and so are not used: the interval has to do. */
export function agreementText(found: Agreement | null): string {
  const { kappa, low, high, n } = found ?? { kappa: null, low: null, high: null, n: 0 };
  if (n === 0) return "Not known yet: too few cases have been decided by two people.";
  const cases = `on ${count(n, "case")} that two people decided`;
  if (kappa === null) return `Not known yet ${cases}.`;
  const between = low === null || high === null ? "" : ` (${low.toFixed(2)} to ${high.toFixed(2)})`;
  return `κ = ${kappa.toFixed(2)}${between} ${cases}. 1 is full agreement, 0 no more than by chance.`;
}

/** A name of a column as people write it: “panel_type” → “panel type”. */
export function columnName(name: string): string {
  return name.replaceAll("_", " ");
}
