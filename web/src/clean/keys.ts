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
  [["u", "Ctrl Z"], "undo"],
  [["Shift U", "Ctrl Shift Z"], "redo"],
  [["Space"], "select a picture; with Shift up to there"],
  [["Ctrl A"], "select all that are listed"],
  [["o"], "sort the list anew"],
  [["a"], "accept the proposal (Duplicates)"],
] as const;
