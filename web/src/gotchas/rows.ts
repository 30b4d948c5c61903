/** What the page shows of the desk's answer, worked out apart from how it looks. */

import type { Gotchas, Share, Slice } from "./types";

export interface Answerer {
  key: string;
  name: string;
  right: Share;
  shortcut: boolean;
}

/** Those who answer, the best first among the traits: the model, what each trait tells alone, and always the same answer. */
export function answerers({ model, shortcuts, always_the_same }: Gotchas): Answerer[] {
  const traits = [...shortcuts]
    .sort((a, b) => b.right.value - a.right.value)
    .map(({ trait, name, right, shortcut }) => ({ key: trait, name, right, shortcut: shortcut && trait !== "all" }));
  const rows = model ? [{ key: "model", name: "the model", right: model, shortcut: false }, ...traits] : traits;
  if (always_the_same === null) return rows;
  const always = { value: always_the_same, low: always_the_same, high: always_the_same };
  return [...rows, { key: "always", name: "always the same answer", right: always, shortcut: false }];
}

/** Slices that can be judged, and those of which there are too few items. */
export function standings(slices: readonly Slice[]): { judged: Slice[]; few: Slice[] } {
  return {
    judged: slices.filter(({ standing }) => standing !== "too few to say"),
    few: slices.filter(({ standing }) => standing === "too few to say"),
  };
}

/** The sentence above the list of shortcuts. */
export function summary(shortcuts: number): string {
  if (shortcuts === 0) return "None of these tells labels clearly enough to be a shortcut.";
  const what = shortcuts === 1 ? "1 of these is a shortcut" : `${shortcuts} of these are shortcuts`;
  return `${what}. A model that goes by it does well here, and fails where it no longer holds: gather images that break it.`;
}
