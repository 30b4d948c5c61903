/** The keys of the page Review: one a class, and few others. */

import type { Kind } from "./types";

/** Letters that mean something else: A and B the unnamed answers, c cannot tell, s skip, u undo, z zoom, g to a page. */
const OTHERS = new Set(["a", "b", "c", "s", "u", "z", "g"]);

/** The keys that classes get, in their order: digits, then letters. */
export const CLASS_KEYS: readonly string[] = [..."123456789", ...[..."abcdefghijklmnopqrstuvwxyz"].filter((letter) => !OTHERS.has(letter))];

export const REVIEW_KEYS = [
  [["1", "…", "9"], "this class; from the tenth on, letters"],
  [["Enter"], "confirm what the model proposes"],
  [["a", "b"], "answer A or answer B is right"],
  [["c"], "cannot tell"],
  [["s"], "skip: somebody else may see it"],
  [["u", "Ctrl Z"], "undo the last decision"],
  [["←", "→"], "another picture of the case; in the grid, another case"],
  [["↑", "↓"], "to the next answer, which Enter then gives"],
  [["z", "+", "−"], "zoom"],
] as const;

/** What a key asks for in a case; null where it means nothing there. */
export type Wish = { say: string } | "cannot-tell" | "skip" | "undo" | null;

/**
 * `enter`: whether Enter confirms, which it does not where a button has the focus. Nothing is confirmed that is not asked to be:
 * in a blind case Enter means nothing.
 */
export function wished(event: Pick<KeyboardEvent, "key" | "shiftKey" | "ctrlKey" | "metaKey">, asked: { kind: Kind; shown: readonly string[]; labels: readonly string[] }, enter: boolean): Wish {
  const { key } = event;
  const control = event.ctrlKey || event.metaKey;
  if (control) return key.toLowerCase() === "z" && !event.shiftKey ? "undo" : null;
  if (key === "u") return "undo";
  if (key === "c") return "cannot-tell";
  if (key === "s") return "skip";
  if (asked.kind === "adjudicate" && (key === "a" || key === "b")) {
    const said = asked.shown[key === "a" ? 0 : 1];
    return said === undefined ? null : { say: said };
  }
  if (key === "Enter") {
    const [proposal] = asked.shown;
    return enter && asked.kind === "confirm" && proposal !== undefined ? { say: proposal } : null;
  }
  const place = CLASS_KEYS.indexOf(key);
  const label = place < 0 ? undefined : asked.labels[place];
  return label === undefined ? null : { say: label };
}
