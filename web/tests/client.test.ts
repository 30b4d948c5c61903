import { describe, expect, it, vi } from "vitest";
import { backoffMs, Client, sleep, withQuery, type Surroundings } from "../src/api/client";
import { Problem, problemOf, retryAfterMs, Unreachable, words } from "../src/api/problem";
import { json, problem } from "./fakes";

function client(answers: (Response | Error)[], changes: Partial<Surroundings> = {}) {
  const waits: number[] = [];
  const fetch = vi.fn(async (..._call: Parameters<typeof globalThis.fetch>) => {
    const answer = answers.shift();
    if (answer === undefined) throw new Error("asked once too often");
    if (!(answer instanceof Response)) throw answer;
    return answer;
  });
  const around: Surroundings = {
    fetch,
    key: () => null,
    now: () => 1_000_000,
    sleep: async (ms) => void waits.push(ms),
    random: () => 0,
    ...changes,
  };
  return { client: new Client(around), fetch, waits };
}

describe("client", () => {
  it("sends the key, and only when there is one", async () => {
    const without = client([json({ models: [] })]);
    await without.client.get("/v1/models");
    expect(new Headers(without.fetch.mock.calls[0]![1]!.headers).has("Authorization")).toBe(false);
    const given = client([json({ models: [] })], { key: () => "dt_x" });
    await given.client.get("/v1/models");
    expect(new Headers(given.fetch.mock.calls[0]![1]!.headers).get("Authorization")).toBe("Bearer dt_x");
  });

  it("waits as long as the server asks, then answers", async () => {
    const onWait = vi.fn();
    const { client: c, waits } = client([problem(503, "overloaded", "busy", { "Retry-After": "7" }), json({ models: [] })]);
    await expect(c.get("/v1/models", undefined, { onWait })).resolves.toEqual({ models: [] });
    expect(waits).toEqual([7000]);
    expect(onWait.mock.calls[0]![0]).toMatchObject({ until: 1_007_000, attempt: 1 });
    expect(onWait.mock.calls[1]![0]).toBeNull();
  });

  it("doubles the wait where the server does not say, and gives up after its retries", async () => {
    const busy = () => problem(429, "too-many-requests", "no");
    const { client: c, waits, fetch } = client([busy(), busy(), busy(), busy()]);
    await expect(c.get("/v1/models")).rejects.toMatchObject({ status: 429, slug: "too-many-requests" });
    expect(waits).toEqual([1000, 2000, 4000]);
    expect(fetch).toHaveBeenCalledTimes(4);
  });

  it("does not repeat a post unless told to, nor what is refused for good", async () => {
    const post = client([problem(503, "overloaded", "busy")]);
    await expect(post.client.post("/v1/predict")).rejects.toBeInstanceOf(Problem);
    expect(post.fetch).toHaveBeenCalledTimes(1);
    const get = client([problem(404, "not-found", "no such thing")]);
    await expect(get.client.get("/v1/models")).rejects.toMatchObject({ status: 404, detail: "no such thing" });
    expect(get.waits).toEqual([]);
  });

  it("tells a server that is gone from a call that was cancelled", async () => {
    const reached = vi.fn();
    const gone = client([new TypeError("Failed to fetch")], { reached });
    await expect(gone.client.get("/v1/models")).rejects.toBeInstanceOf(Unreachable);
    expect(reached).toHaveBeenCalledWith(false);

    const stop = new AbortController();
    stop.abort(new DOMException("left", "AbortError"));
    const quiet = vi.fn();
    const cancelled = client([new DOMException("left", "AbortError") as unknown as Error], { reached: quiet });
    await expect(cancelled.client.get("/v1/models", undefined, { signal: stop.signal })).rejects.toMatchObject({ name: "AbortError" });
    expect(quiet).not.toHaveBeenCalled();
  });

  it("stops waiting when cancelled", async () => {
    const stop = new AbortController();
    const { client: c, fetch } = client([problem(429, "too-many-requests", "no", { "Retry-After": "3600" })], { sleep });
    const call = c.get("/v1/models", undefined, { signal: stop.signal, onWait: () => stop.abort(new DOMException("left", "AbortError")) });
    await expect(call).rejects.toMatchObject({ name: "AbortError" });
    expect(fetch).toHaveBeenCalledTimes(1);
  });

  it("says so when a success is not the server's: a page to sign in, say", async () => {
    const { client: c } = client([new Response("<html>sign in</html>", { status: 200 })]);
    await expect(c.get("/v1/models")).rejects.toMatchObject({ title: "The answer cannot be understood", status: 200 });
  });

  it("takes a body that breaks off for a server that is gone", async () => {
    const reached = vi.fn();
    const body = new ReadableStream({ start: (c) => c.error(new TypeError("network error")) });
    const { client: c } = client([new Response(body)], { reached });
    await expect(c.get("/v1/models")).rejects.toBeInstanceOf(Unreachable);
    expect(reached).toHaveBeenLastCalledWith(false);
  });

  it("leaves empty values out of the query", () => {
    expect(withQuery("/p", { a: "x y", b: "", c: null, d: undefined, e: 0, f: false })).toBe("/p?a=x+y&e=0&f=false");
    expect(withQuery("/p", {})).toBe("/p");
  });

  it("bounds the wait and spreads it", () => {
    expect(backoffMs(20, null, 0)).toBe(60_000);
    expect(backoffMs(1, 3_600_000, 0)).toBe(60_000);
    expect(backoffMs(1, 0, 0.5)).toBe(125);
  });
});

describe("problems", () => {
  it("reads Retry-After as seconds and as a date", () => {
    const now = Date.parse("2026-11-21T10:00:00Z");
    expect(retryAfterMs("12", now)).toBe(12_000);
    expect(retryAfterMs("Sat, 21 Nov 2026 10:00:30 GMT", now)).toBe(30_000);
    expect(retryAfterMs("Sat, 21 Nov 2026 09:00:00 GMT", now)).toBe(0);
    expect(retryAfterMs("soon", now)).toBeNull();
    expect(retryAfterMs(null, now)).toBeNull();
  });

  it("names the fields that were refused", async () => {
    const response = json({ title: "Unprocessable", detail: "Refused.", errors: [{ loc: ["query", "limit"], msg: "at most 200" }] }, 422);
    const found = await problemOf(response, 0);
    expect(words(found).text).toBe("Refused. query › limit: at most 200");
  });

  it("finds words for an answer that is no problem document", async () => {
    const page = new Response("<html>bad gateway</html>", { status: 502, headers: { "X-Request-ID": "abc" } });
    const found = await problemOf(page, 0);
    expect(found.requestId).toBe("abc");
    expect(words(found).title).toBe("The server cannot be reached");
  });

  it("says which role is missing", () => {
    expect(words(new Problem(403, "Forbidden", "x"), "history").text).toContain("review");
    expect(words(new Problem(401, "Unauthorized", "x")).title).toBe("A key is needed");
    expect(words(new Unreachable()).title).toContain("does not answer");
  });
});
