import { describe, expect, it } from "vitest";
import { Problem, problemOf, words } from "../src/api/problem";
import type { ProblemDetail } from "../src/api/types";
import { json } from "./fakes";
// Written by tests/serve/test_problems.py from what a real server answered.
import examples from "./problems.json";

const page = (body: string, status: number, type = "text/html") => new Response(body, { status, headers: { "Content-Type": type } });
const asRead = async (response: Response) => words(await problemOf(response, 0));

describe("each problem of the server", () => {
  for (const [name, { problem, retry_after }] of Object.entries(examples)) {
    it(`reads as a sentence: ${name}`, async () => {
      // The type checker holds the example to the generated schema.
      const document: ProblemDetail = problem;
      const headers: Record<string, string> = retry_after ? { "Retry-After": retry_after } : {};
      const found = await problemOf(json(document, document.status, headers), 0);
      expect(found.slug).toBe(name.split(":")[0]);
      expect(found.detail).toBe(document.detail);
      expect(found.requestId).toBe(document.request_id);
      expect(found.faults).toEqual(document.errors);
      const { title, text } = words(found);
      expect(title).toBeTruthy();
      expect(text).not.toMatch(/undefined|null|\[object/);
      // A key that is wanted has a dialog of its own; all else is told in the server's words.
      if (document.status !== 401) expect(text).toContain(document.detail);
    });
  }

  it("tells each fault once, and which image it concerns", async () => {
    const found = await problemOf(json(examples["unprocessable: pixels"].problem, 422), 0);
    expect([0, 1, 2, 3].map((place) => found.ofImage(place) !== null)).toEqual([false, true, false, true]);
    const { text } = words(await problemOf(json(examples["unprocessable: metadata"].problem, 422), 0));
    expect(text).toBe("metadata.camera: String should have at most 200 characters metadata › where: Extra inputs are not permitted");
  });
});

describe("an answer of another shape", () => {
  it("whose places are text is read all the same", async () => {
    const body = { title: "No", detail: "image 2 (a.jpg) is too large", errors: [{ loc: "images.1", msg: "too many pixels" }] };
    const found = await problemOf(json(body, 422), 0);
    expect(words(found)).toEqual({ title: "No", text: "image 2 (a.jpg) is too large image 2: too many pixels" });
    expect(found.ofImage(1)).toBe("too many pixels");
  });

  it.each([
    [{ errors: "none" }],
    [{ errors: { loc: 1 } }],
    [{ errors: [null, 7, "x", [], {}, { loc: {}, msg: 1 }] }],
    [{ title: 7, detail: { deep: [1] }, type: 3, request_id: [] }],
    [[1, 2]],
    [null],
    [true],
  ])("and makes no sense leaves the status to speak: %j", async (body) => {
    const { title, text } = await asRead(json(body, 413));
    expect(title).toBe("Too large");
    expect(text).toMatch(/A proxy before the server/);
  });

  it.each([
    [{ message: "Request body is too large" }, "Request body is too large"],
    [{ error: "quota exceeded" }, "quota exceeded"],
    [{ error: { message: "quota exceeded" } }, "quota exceeded"],
    ["slow down", "slow down"],
    [{ detail: [{ loc: ["query", "limit"], msg: "at most 200" }] }, "query › limit: at most 200"],
    [{ errors: [{ loc: [null, "a"], msg: "wrong" }] }, "a: wrong"],
  ])("gives its sentence where it has one: %j", async (body, said) => {
    expect((await asRead(json(body, 400))).text).toBe(said);
  });

  it("as text is told, as a page of HTML or as nothing is not", async () => {
    expect((await asRead(page("upstream quota is used up\n", 400, "text/plain"))).text).toBe("upstream quota is used up");
    expect((await asRead(page("x".repeat(100_000), 400, "text/plain"))).text.length).toBeLessThan(1000);
    const html = await asRead(page("<html><body>nginx</body></html>", 502));
    expect(html).toEqual({ title: "The server cannot be reached", text: "A proxy before it answers in its place. Try again in a moment." });
    expect(await asRead(page("", 418, ""))).toEqual({ title: "The server answered with status 418", text: "" });
    expect(await asRead(page('{"detail": "cut o', 503, "application/problem+json"))).toMatchObject({ title: "The server is busy" });
  });

  it("that breaks off is no more than its status", async () => {
    const broken = new Response(new ReadableStream({ start: (c) => c.error(new TypeError("network error")) }), { status: 500 });
    const found = await problemOf(broken, 0);
    expect(found).toBeInstanceOf(Problem);
    expect(words(found).title).toBe("A fault in the server");
  });
});
