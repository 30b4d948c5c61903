/** The list of a page that cleans: nothing twice, nothing lost, nothing moved, whatever changes at the desk meanwhile. */

import { beforeEach, describe, expect, it } from "vitest";
import { FIRST, Listing } from "../src/clean/listing.svelte";
import type { Item, ItemPage } from "../src/clean/types";
import { deskItem } from "./desk";

/** A desk of items in an order, of which it lists those that are open. */
class Far {
  version = 1;
  order: string[];
  readonly gone = new Set<string>();
  asked: [number, number][] = [];
  broken = false;
  hook: (() => void) | null = null;

  constructor(n: number) {
    this.order = Array.from({ length: n }, (_, i) => `i${i}`);
  }

  page = async (offset: number, limit: number): Promise<ItemPage> => {
    this.asked.push([offset, limit]);
    await Promise.resolve();
    if (this.broken) throw new Error("gone");
    const open = this.order.filter((id) => !this.gone.has(id));
    const page = { version: this.version, total: open.length, items: open.slice(offset, offset + limit).map((id) => deskItem(id)) };
    this.hook?.();
    return page;
  };
}

let far: Far;
const fits = (item: Item) => !far.gone.has(item.id);
const ids = (list: Listing) => list.items.map(({ id }) => id);
const opened = async (end = FIRST) => {
  const list = new Listing(far.page, fits);
  await list.need(end);
  return list;
};

beforeEach(() => (far = new Far(1_000)));

describe("a list", () => {
  it("begins with a short page, and says how many there are in all", async () => {
    const list = await opened();
    expect(far.asked).toEqual([[0, FIRST]]);
    expect(list.length).toBe(1_000);
  });

  it("fetches no more than is needed", async () => {
    const list = await opened(100);
    expect(list.items.length).toBeLessThan(300);
    await list.need(90);
    expect(far.asked.length).toBe(2);
  });

  it("gives every item once, though items leave the view between pages", async () => {
    const list = await opened();
    for (const id of ["i0", "i7", "i30", "i59"]) far.gone.add(id);
    await list.need(1_000);
    expect(ids(list)).toEqual(Array.from({ length: 1_000 }, (_, i) => `i${i}`));
    expect(list.remaining).toBe(0);
  });

  it("gives every item once, though some come back into the view", async () => {
    for (const id of ["i0", "i7"]) far.gone.add(id);
    const list = await opened();
    far.gone.clear();
    await list.need(1_000);
    // Those that came back before what was fetched show with the next list.
    expect(ids(list)).toEqual(Array.from({ length: 1_000 }, (_, i) => `i${i}`).filter((id) => id !== "i0" && id !== "i7"));
  });

  it("keeps what was seen in its place when the desk ranks anew, and takes the new order after it", async () => {
    const list = await opened(200);
    far.order = far.order.toReversed();
    far.version = 2;
    list.renew(40, 2);
    await list.need(1_000);
    const first = Array.from({ length: 40 }, (_, i) => `i${i}`);
    expect(ids(list).slice(0, 40)).toEqual(first);
    expect(ids(list).slice(40)).toEqual(far.order.filter((id) => !first.includes(id)));
  });

  it("loses nothing when the desk ranks anew between two pages, of which nobody has told yet", async () => {
    const list = await opened();
    far.order = far.order.toReversed();
    far.version = 2;
    await list.need(1_000);
    expect(ids(list).slice(0, FIRST)).toEqual(Array.from({ length: FIRST }, (_, i) => `i${i}`));
    expect(new Set(ids(list)).size).toBe(1_000);
    expect(list.version).toBe(2);
  });

  it("drops the answer to a question that a new ranking has overtaken", async () => {
    const list = await opened();
    far.hook = () => {
      far.hook = null;
      far.order = far.order.toReversed();
      far.version = 2;
      list.renew(10, 2);
    };
    await list.need(1_000);
    expect(ids(list).slice(0, 12)).toEqual(["i0", "i1", "i2", "i3", "i4", "i5", "i6", "i7", "i8", "i9", "i999", "i998"]);
    await list.need(1_000);
    expect(new Set(ids(list)).size).toBe(list.items.length);
    expect(list.items.length).toBe(1_000);
  });

  it("tells what went wrong, and goes on when told to", async () => {
    const list = await opened();
    far.broken = true;
    await list.need(200);
    expect(list.error).toBeInstanceOf(Error);
    await list.need(300);
    far.broken = false;
    list.retry();
    await list.need(300);
    expect(list.error).toBeNull();
    await expect.poll(() => list.items.length).toBeGreaterThanOrEqual(300);
  });

  it("ends where the desk has fewer than it said", async () => {
    const list = await opened();
    for (const id of far.order.slice(FIRST)) far.gone.add(id);
    await list.need(1_000);
    expect(list.length).toBe(FIRST);
  });
});
