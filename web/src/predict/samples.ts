import type { Sample } from "../api/types";

/** One of each label in turn: a folder comes label by label, and the first row should show what the model tells apart. */
export function mixed(samples: readonly Sample[]): Sample[] {
  const taken = new Map<string | null, number>();
  return samples
    .map((sample) => {
      const turn = taken.get(sample.label ?? null) ?? 0;
      taken.set(sample.label ?? null, turn + 1);
      return { sample, turn };
    })
    .sort((a, b) => a.turn - b.turn)
    .map(({ sample }) => sample);
}
