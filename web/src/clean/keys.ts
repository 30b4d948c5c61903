/** The keys of the pages at a desk, for the list of keys; the pages themselves stand by them. */

export const DESK_KEYS = [
  [["←", "→", "↑", "↓"], "another picture"],
  [["Enter"], "look at a picture alone"],
  [["Esc"], "back to the list; select nothing"],
  [["k"], "keep: its label is right"],
  [["s"], "take the suggested label"],
  [["1", "…", "9"], "give it this class"],
  [["r"], "give it another label"],
  [["x"], "remove it from the data set (its file stays)"],
  [["n", "p"], "next and previous picture"],
  [["v"], "its nearest neighbour beside it, or not"],
  [["u", "Ctrl Z"], "undo"],
  [["Shift U", "Ctrl Shift Z"], "redo"],
  [["Space"], "select a picture; with Shift up to there"],
  [["Ctrl A"], "select all that are listed"],
  [["o"], "sort the list anew"],
  [["a"], "accept the proposal (Duplicates)"],
] as const;

/** From 0: the place among the classes that have a digit; null for any other key. */
export function digitOf(event: KeyboardEvent): number | null {
  return /^[1-9]$/.test(event.key) ? Number(event.key) - 1 : null;
}

/** Which step a key asks for: u and Ctrl Z undo, with Shift (or Ctrl Y) they do again. */
export function isUndo(event: KeyboardEvent): "undo" | "redo" | null {
  const key = event.key.toLowerCase();
  const control = event.ctrlKey || event.metaKey;
  if (event.altKey) return null;
  if (control && key === "z") return event.shiftKey ? "redo" : "undo";
  if (control && key === "y") return "redo";
  if (!control && key === "u") return event.shiftKey ? "redo" : "undo";
  return null;
}
