import { describe, expect, it } from "vitest";
import { Keeper, type Kept } from "../src/predict/keeper";
import { prediction, predictions } from "./fakes";

const { predictions: _, ...answer } = predictions([]);
const kept = (id: number, changes: Partial<Kept> = {}): Kept => ({
  id,
  name: `${id}.jpg`,
  size: 10,
  state: "done",
  thumbnail: "data:image/jpeg;base64,AAAA",
  error: null,
  refused: false,
  prediction: prediction(),
  answer,
  ...changes,
});

/** A tab's storage that is full beyond so many signs. */
function small(most: number): Storage {
  const map = new Map<string, string>();
  const size = () => [...map].reduce((sum, [key, text]) => sum + key.length + text.length, 0);
  return {
    get length() {
      return map.size;
    },
    key: (i: number) => [...map.keys()][i] ?? null,
    getItem: (key: string) => map.get(key) ?? null,
    removeItem: (key: string) => void map.delete(key),
    clear: () => map.clear(),
    setItem: (key: string, text: string) => {
      if (size() - (map.get(key)?.length ?? 0) + text.length > most) throw new DOMException("full", "QuotaExceededError");
      map.set(key, text);
    },
  };
}

describe("kept results", () => {
  it("come back in order, with what was not answered", () => {
    const keeper = new Keeper(sessionStorage);
    keeper.put(kept(11));
    keeper.put(kept(2, { state: "failed", prediction: null, answer: null, error: "It broke.", refused: true }));
    keeper.setOpen([[12, "late.jpg", 5]]);
    const found = new Keeper(sessionStorage).restore();
    expect(found.kept).toEqual([kept(2, { state: "failed", prediction: null, answer: null, error: "It broke.", refused: true }), kept(11)]);
    expect(found.open).toEqual([[12, "late.jpg", 5]]);
    expect(found.left).toBe(0);
  });

  it("leave nothing when cleared, and touch nothing of others", () => {
    sessionStorage.setItem("drivetrain.key", "dt_x");
    const keeper = new Keeper(sessionStorage);
    keeper.put(kept(1));
    keeper.setOpen([[2, "b", 1]]);
    keeper.clear();
    expect(Object.keys(sessionStorage)).toEqual(["drivetrain.key"]);
  });

  it("make room for new ones, the oldest first, and say how many went", () => {
    const one = JSON.stringify(kept(1)).length;
    for (const keeper of [new Keeper(sessionStorage, 3 * one + 10), new Keeper(small(3 * one + 200))]) {
      for (let id = 1; id <= 5; id += 1) keeper.put(kept(id));
      const found = keeper.restore();
      expect(found.kept.map((each) => each.id)).toEqual([3, 4, 5]);
      expect(found.left).toBe(2);
      keeper.clear();
      expect(keeper.restore().left).toBe(0);
    }
  });

  it("do without a storage, and with one that takes nothing", () => {
    for (const storage of [null, small(0)]) {
      const keeper = new Keeper(storage);
      keeper.put(kept(1));
      keeper.setOpen([[2, "b", 1]]);
      expect(keeper.restore()).toMatchObject({ kept: [], open: [] });
      keeper.clear();
    }
  });

  it("drop what somebody else wrote there", () => {
    for (const [name, text] of Object.entries({ "1": "{", "2": "7", "3": JSON.stringify(kept(4)), "5": JSON.stringify({ ...kept(5), prediction: null }), open: '[1,[2],["a","b",3],[6,"c.jpg",1]]', left: "many" })) {
      sessionStorage.setItem(`drivetrain.results.${name}`, text);
    }
    expect(new Keeper(sessionStorage).restore()).toEqual({ kept: [], open: [[6, "c.jpg", 1]], left: 0 });
    expect(sessionStorage.getItem("drivetrain.results.1")).toBeNull();
  });
});
