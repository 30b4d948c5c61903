import { describe, expect, it } from "vitest";
import { answerers, standings, summary } from "../src/gotchas/rows";
import type { Gotchas, Shortcut, Slice } from "../src/gotchas/types";

const share = (value: number) => ({ value, low: value - 0.05, high: value + 0.05 });
const shortcut = (trait: string, value: number, clear: boolean): Shortcut => ({
  trait,
  name: trait,
  right: share(value),
  r_squared: 0.5,
  r_squared_low: 0.4,
  of: null,
  shortcut: clear,
  sentence: "",
  examples: [],
});
const slice = (name: string, standing: Slice["standing"]): Slice => ({ by: "light", slice: name, images: 9, independent: 9, right: share(0.5), others: 0.9, p_value: 0.5, standing });
const found: Gotchas = {
  version: 1,
  note: null,
  measure: "right for",
  how: "out of fold",
  images: 100,
  model: share(0.9),
  always_the_same: 0.4,
  shortcuts: [shortcut("border", 0.5, true), shortcut("file-type", 0.6, false), shortcut("all", 0.7, true)],
  slices: [slice("dark", "worse"), slice("grey", "too few to say")],
  slices_note: "",
  subjects: null,
};

describe("who answers", () => {
  it("puts the model first, then traits from the best on, then always the same answer", () => {
    expect(answerers(found).map(({ key }) => key)).toEqual(["model", "all", "file-type", "border", "always"]);
  });

  it("calls single traits shortcuts, not all of them together", () => {
    expect(answerers(found).filter((row) => row.shortcut).map(({ key }) => key)).toEqual(["border"]);
  });

  it("leaves out whoever is not known", () => {
    expect(answerers({ ...found, model: null, always_the_same: null, shortcuts: [] })).toEqual([]);
  });
});

it("keeps slices apart of which there is too little to say", () => {
  const { judged, few } = standings(found.slices);
  expect([judged.map((one) => one.slice), few.map((one) => one.slice)]).toEqual([["dark"], ["grey"]]);
});

it("says how many shortcuts there are", () => {
  expect(summary(0)).toContain("None of these");
  expect(summary(1)).toMatch(/^1 of these is a shortcut\./);
  expect(summary(3)).toMatch(/^3 of these are shortcuts\./);
});
