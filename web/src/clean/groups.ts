/** Groups of copies: what is to be done about them, and whether it has been. */

import type { DuplicateGroup, Item, Place, Wish } from "./types";

/** How the copies of a group were found, in words. */
export const KINDS: Record<string, string> = {
  exact: "The same picture",
  pixels: "The same picture",
  hash: "Nearly the same",
  crop: "Cut otherwise",
  embedding: "Very much alike",
  contradictory: "The same picture",
};

/** Whether nothing is left to decide: one is left, or a person has kept all that are. */
export function isSettled({ items }: DuplicateGroup, standing: (item: Item) => Place): boolean {
  const left = items.filter((item) => standing(item).fate !== "removed");
  return left.length <= 1 || left.every((item) => standing(item).fate === "kept");
}

/** Removes all but one. The one that stays is not called right: nobody has looked at its label. */
export function accepted({ items }: DuplicateGroup, keep: string, standing: (item: Item) => Place): [Item, Wish][] {
  return items.flatMap((item): [Item, Wish][] => {
    const { fate } = standing(item);
    if (item.id === keep) return fate === "removed" ? [[item, "open"]] : [];
    return fate === "removed" ? [] : [[item, "remove"]];
  });
}

/** Whether copies have one label, so that removing some loses nothing but copies. */
export function agrees({ items }: DuplicateGroup, standing: (item: Item) => Place): boolean {
  const labels = items.map((item) => {
    const { label, labels } = standing(item);
    return labels ? labels.toSorted().join("\n") : label;
  });
  return new Set(labels).size === 1;
}
