/** The keys of the page for labelling: one a class, and few others. */

/** Keys that mean something else: n new class, s skip, u undo, h suggestions, x of no class, g to a page. */
const OTHERS = new Set(["n", "s", "u", "h", "x", "g"]);

/** The keys that classes get, in their order: digits, then letters. */
export const CLASS_KEYS: readonly string[] = [..."123456789", ...[..."abcdefghijklmnopqrstuvwxyz"].filter((letter) => !OTHERS.has(letter))];

export const LABEL_KEYS = [
  [["1", "…", "9"], "this class; from the tenth on, letters"],
  [["Enter"], "the suggested class"],
  [["x"], "none of these"],
  [["s"], "show it later"],
  [["u", "Ctrl Z"], "undo"],
  [["Shift U", "Ctrl Shift Z"], "redo"],
  [["n"], "a new class"],
  [["h"], "hide or show suggestions"],
] as const;
