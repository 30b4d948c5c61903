import { describe, expect, it } from "vitest";
import { Pager, WANTED } from "../src/history/pager.svelte";
import type { HistoryPage } from "../src/api/types";
import { entry, flush } from "./fakes";

const page = (ids: number[], next: string | null, searched_to: string | null = null): HistoryPage => ({
  predictions: ids.map((id) => entry(String(id))),
  next,
  searched_to,
});
const range = (from: number, n: number) => Array.from({ length: n }, (_, i) => from + i);

describe("pager", () => {
  it("goes on over short and empty pages until a screen is full or nothing is left", async () => {
    const asked: (string | null)[] = [];
    const pages = [page([], "a", "2026-11-01"), page([1, 2], "b", "2026-10-01"), page([], null)];
    const pager = new Pager(async (cursor) => {
      asked.push(cursor);
      return pages.shift()!;
    });
    await pager.restart();
    expect(asked).toEqual([null, "a", "b"]);
    expect(pager.entries.map((e) => e.id)).toEqual(["1", "2"]);
    expect(pager.ended).toBe(true);
    await pager.more();
    expect(asked.length).toBe(3);
  });

  it("stops at a full screen and then loads more from there", async () => {
    const asked: (string | null)[] = [];
    const pager = new Pager(async (cursor) => {
      asked.push(cursor);
      return cursor === null ? page(range(0, WANTED), "x") : page(range(WANTED, 3), null);
    });
    await pager.restart();
    expect(asked).toEqual([null]);
    await pager.more();
    expect(pager.entries.length).toBe(WANTED + 3);
  });

  it("shows no entry twice", async () => {
    const pages = [page([1, 2], "x"), page([2, 3], null)];
    const pager = new Pager(async () => pages.shift()!);
    await pager.restart();
    expect(pager.entries.map((e) => e.id)).toEqual(["1", "2", "3"]);
  });

  it("forgets an answer to an older search", async () => {
    const release: ((page: HistoryPage) => void)[] = [];
    const pager = new Pager(() => new Promise((resolve) => release.push(resolve)));
    void pager.restart();
    const second = pager.restart();
    release[1]!(page([2], null));
    await second;
    release[0]!(page([1], null));
    await flush();
    expect(pager.entries.map((e) => e.id)).toEqual(["2"]);
    expect(pager.loading).toBe(false);
  });

  it("keeps what it has when a page fails, and tries that page again", async () => {
    let broken = false;
    const pager = new Pager(async (cursor) => {
      if (broken) throw new Error("gone");
      return cursor === null ? page(range(0, WANTED), "x") : page([100], null);
    });
    await pager.restart();
    broken = true;
    await pager.more();
    expect(pager.error).toBeInstanceOf(Error);
    expect(pager.entries.length).toBe(WANTED);
    broken = false;
    await pager.more();
    expect(pager.error).toBeNull();
    expect(pager.entries.at(-1)!.id).toBe("100");
  });

  it("a long search can be stopped and taken up again", async () => {
    let turns = 0;
    const pager: Pager = new Pager(async (cursor, signal) => {
      turns += 1;
      if (turns === 3) pager.stop();
      signal.throwIfAborted();
      return page([], `${Number(cursor ?? 0) + 1}`);
    });
    await pager.restart();
    expect(turns).toBe(3);
    expect([pager.loading, pager.stopped, pager.error, pager.next]).toEqual([false, true, null, "2"]);
  });
});
