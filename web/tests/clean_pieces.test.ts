/** What the pages of a desk are made of. */

import { beforeEach, describe, expect, it } from "vitest";
import { curve } from "../src/clean/curve";
import { wishFor } from "../src/clean/desk.svelte";
import { fromQuery, lists, plain, toQuery, toServer, type View } from "../src/clean/filters";
import { accepted, agrees, isSettled } from "../src/clean/groups";
import { digitOf, isUndo } from "../src/clean/keys";
import { marksOf, type Batch } from "../src/clean/outbox";
import type { DuplicateGroup, Edit, Place, Wish } from "../src/clean/types";
import { layout, reveal, rowsOf, span } from "../src/clean/window";
import { did, labelsIn, samePlace, stands, wished } from "../src/clean/words";
import { deskItem } from "./desk";

describe("the window over a long grid", () => {
  it("has as many columns as fit, and never fewer than two", () => {
    expect(layout(1000, 158, 10, 50)).toEqual({ columns: 6, side: 158, pitch: 218 });
    expect(layout(366, 104, 10, 50).columns).toBe(3);
    expect(layout(120, 104, 10, 50).columns).toBe(2);
  });

  it("holds the rows in sight and a few around them, however long it is", () => {
    expect(span(0, 800, 5_000, 200, 3)).toEqual({ first: 0, end: 7 });
    expect(span(100_000, 800, 5_000, 200, 3)).toEqual({ first: 497, end: 507 });
    expect(span(10_000_000, 800, 5_000, 200, 3)).toEqual({ first: 5_000, end: 5_000 });
    expect(rowsOf(10_001, 5)).toBe(2_001);
  });

  it("scrolls no more than it takes to show a row", () => {
    expect(reveal(3, 200, 500, 800)).toBeNull();
    expect(reveal(1, 200, 500, 800)).toBe(200);
    expect(reveal(9, 200, 500, 800)).toBe(1_200);
  });
});

describe("a view", () => {
  const views: View[] = [
    plain(),
    { label: "sun bear", fate: "", reason: "near-duplicate", order: "name", audit: false },
    { ...plain(), fate: "removed" },
    { ...plain(), audit: true },
  ];
  it.each(views)("comes back from the address as it was: %o", (view) => {
    expect(fromQuery(new URLSearchParams(toQuery(view)))).toEqual(view);
  });

  it("that nobody understands is the plain one", () => {
    expect(fromQuery(new URLSearchParams("fate=lost&order=weight"))).toEqual(plain());
  });

  it("asks an audit for nothing else", () => {
    expect(toServer({ ...plain(), audit: true, label: "black" })).toEqual({ audit: true });
  });

  it("lists what has its fate and its label", () => {
    const place: Place = { label: "black", labels: null, fate: "open" };
    expect(lists(plain(), place)).toBe(true);
    expect(lists(plain(), { ...place, fate: "kept" })).toBe(false);
    expect(lists({ ...plain(), label: "teddy" }, place)).toBe(false);
    expect(lists({ ...plain(), label: "b" }, { label: "a b", labels: ["a", "b"], fate: "open" })).toBe(true);
  });
});

describe("edits in words", () => {
  const open: Place = { label: "black", labels: null, fate: "open" };
  const edit = (before: Place, after: Place, undoes: string | null = null) => ({ before, after, undoes }) as Edit;
  it("say what was done", () => {
    expect(did(edit(open, { ...open, fate: "kept" }))).toBe("kept it as “black”");
    expect(did(edit(open, { ...open, fate: "removed" }))).toBe("removed it");
    expect(did(edit(open, { ...open, label: "teddy", fate: "kept" }))).toBe("made it “teddy”");
    expect(did(edit({ ...open, fate: "removed" }, open))).toBe("put it back among those to look at");
    expect(did(edit({ ...open, fate: "kept" }, open, "e1"))).toBe("took a change back, so that it is “black”, to look at");
    expect(stands({ label: "a b", labels: ["a", "b"], fate: "kept" })).toBe("kept as “a, b”");
  });

  it.each<Wish>(["keep", "remove", "open", { label: "teddy" }, { labels: ["a", "b"] }])("a standing is brought about again by its wish: %o", (wish) => {
    const place = wished(typeof wish === "object" && "labels" in wish ? { ...open, labels: ["black"] } : open, wish);
    expect(samePlace(wished(place, wishFor(place, typeof wish === "object" && "labels" in wish)), place)).toBe(true);
  });

  it("several labels are found in one text, also where a name holds a comma", () => {
    expect(labelsIn("a, b", ["a", "b"])).toEqual(["a", "b"]);
    expect(labelsIn("salt, pepper, oil", ["oil", "salt", "salt, pepper"])).toEqual(["salt, pepper", "oil"]);
    expect(labelsIn("unheard, a", ["a"])).toEqual(["unheard", "a"]);
    expect(labelsIn("–", ["a"])).toEqual([]);
  });
});

describe("keys", () => {
  const key = (name: string, more: KeyboardEventInit = {}) => new KeyboardEvent("keydown", { key: name, ...more });
  it("tell undo from redo, with one hand or as everywhere", () => {
    expect([key("u"), key("U", { shiftKey: true }), key("z", { ctrlKey: true }), key("Z", { ctrlKey: true, shiftKey: true }), key("y", { metaKey: true }), key("z"), key("u", { altKey: true })].map(isUndo)).toEqual(["undo", "redo", "undo", "redo", "redo", null, null]);
  });
  it("give the first nine classes a digit", () => {
    expect([key("1"), key("9"), key("0"), key("a"), key("12")].map(digitOf)).toEqual([0, 8, null, null, null]);
  });
});

describe("a group of copies", () => {
  const items = [deskItem("a"), deskItem("b"), deskItem("c")];
  const group = { kind: "exact", items, proposed: "b", why: "" } as DuplicateGroup;
  const with_ = (places: Record<string, Partial<Place>>) => (item: Place & { id: string }) => ({ label: item.label, labels: item.labels, fate: item.fate, ...places[item.id] });
  it("is accepted by removing all but one, about whose label nothing is said", () => {
    expect(accepted(group, "b", with_({})).map(([item, wish]) => [item.id, wish])).toEqual([["a", "remove"], ["c", "remove"]]);
    expect(accepted(group, "b", with_({ b: { fate: "removed" }, a: { fate: "removed" } })).map(([item, wish]) => [item.id, wish])).toEqual([["b", "open"], ["c", "remove"]]);
  });
  it("is settled when one is left, or a person has kept what is", () => {
    expect(isSettled(group, with_({}))).toBe(false);
    expect(isSettled(group, with_({ a: { fate: "removed" }, c: { fate: "removed" } }))).toBe(true);
    expect(isSettled(group, with_({ a: { fate: "kept" }, b: { fate: "kept" }, c: { fate: "kept" } }))).toBe(true);
    expect(isSettled(group, with_({ a: { fate: "kept" } }))).toBe(false);
  });
  it("agrees when the labels do, in whatever order they stand", () => {
    expect(agrees(group, with_({}))).toBe(true);
    expect(agrees(group, with_({ a: { label: "teddy" } }))).toBe(false);
    expect(agrees(group, with_({ a: { labels: ["x", "y"] }, b: { labels: ["y", "x"] }, c: { labels: ["x", "y"] } }))).toBe(true);
  });
});

describe("a learning curve", () => {
  const points = [100, 200, 400].map((n, i) => ({ n, accuracy: 0.9 + i * 0.02, low: 0.88 + i * 0.02, high: 0.92 + i * 0.02 }));
  it("has each doubling as wide, better higher up, and every interval within the frame", () => {
    const drawn = curve(points, 300, 120)!;
    const [a, b, c] = drawn.marks;
    expect(b!.x - a!.x).toBeCloseTo(c!.x - b!.x, 0);
    expect(a!.y).toBeGreaterThan(c!.y);
    expect(drawn.ticks[0]!.value).toBeLessThanOrEqual(0.88);
    expect(drawn.ticks.at(-1)!.value).toBeGreaterThanOrEqual(0.96);
    for (const { y } of drawn.ticks) expect(y).toBeGreaterThanOrEqual(0);
  });
  it("is none of fewer than two points", () => {
    expect(curve(points.slice(0, 1), 300, 120)).toBeNull();
    expect(curve([], 300, 120)).toBeNull();
  });
});

describe("marks that have not been sent", () => {
  const batch = (key: string, source = "bears"): Batch => ({ key, source, by: "ann", changes: [{ id: key, to: "keep", why: "", how: "assisted", seen: null }], names: [`${key}.jpg`], tried: false });

  /** The browser's locks: one holder a name, for each of several pages. */
  class Locks {
    readonly held = new Set<string>();
    asPage(): LockManager {
      return {
        request: async (name: string, _options: unknown, take: (lock: unknown) => unknown) => {
          if (this.held.has(name)) return take(null);
          this.held.add(name);
          return take({ name });
        },
        query: async () => ({ held: [...this.held].map((name) => ({ name })) }),
      } as unknown as LockManager;
    }
  }
  let locks: Locks;
  beforeEach(() => (locks = new Locks()));

  it("are there after a reload of the tab", async () => {
    const first = marksOf("bears", locks.asPage());
    expect(await first.open()).toEqual([]);
    first.keep([batch("a"), batch("b")]);
    locks.held.clear();
    const second = marksOf("bears", locks.asPage());
    expect((await second.open()).map(({ key }) => key)).toEqual(["a", "b"]);
    second.keep([]);
    locks.held.clear();
    expect(await marksOf("bears", locks.asPage()).open()).toEqual([]);
  });

  it("stay with a tab that is open, and are taken over from one that is gone", async () => {
    const first = marksOf("bears", locks.asPage());
    await first.open();
    first.keep([batch("a")]);
    // A second tab, doubled from the first: it has the first one's storage.
    const second = marksOf("bears", locks.asPage());
    expect(await second.open()).toEqual([]);
    locks.held.clear();
    sessionStorage.clear();
    expect((await marksOf("bears", locks.asPage()).open()).map(({ key }) => key)).toEqual(["a"]);
  });

  it("of another set are left alone", async () => {
    const first = marksOf("bears", locks.asPage());
    await first.open();
    first.keep([batch("a")]);
    locks.held.clear();
    sessionStorage.clear();
    expect(await marksOf("clothes", locks.asPage()).open()).toEqual([]);
  });

  it("of a set whose name begins as this one's are left alone, and kept", async () => {
    const longer = marksOf("bears.new", locks.asPage());
    await longer.open();
    longer.keep([batch("a", "bears.new")]);
    locks.held.clear();
    sessionStorage.clear();
    expect(await marksOf("bears", locks.asPage()).open()).toEqual([]);
    locks.held.clear();
    sessionStorage.clear();
    expect((await marksOf("bears.new", locks.asPage()).open()).map(({ key }) => key)).toEqual(["a"]);
  });

  it("that cannot be read are no marks", async () => {
    const first = marksOf("bears", locks.asPage());
    await first.open();
    first.keep([batch("a")]);
    const name = Object.keys(localStorage).find((one) => one.includes("unsent"))!;
    localStorage.setItem(name, "{broken");
    locks.held.clear();
    expect(await marksOf("bears", locks.asPage()).open()).toEqual([]);
  });
});
