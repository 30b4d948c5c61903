import { cleanup, render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "../src/App.svelte";
import { Unreachable } from "../src/api/problem";
import { place } from "../src/location.svelte";
import { LookClock } from "../src/review/clock";
import { CLASS_KEYS, wished } from "../src/review/keys";
import { passes } from "../src/review/sending.svelte";
import { agreementText, due, span } from "../src/review/words";
import { session } from "../src/session.svelte";
import { network, problem } from "./fakes";
import { LABELS, Queue, review } from "./reviewing";

describe("the time that a case is looked at", () => {
  let now = 0;
  const clock = (visible = true) => new LookClock(() => now, visible);
  beforeEach(() => (now = 0));

  it("runs from the start on, and only while the page can be seen", () => {
    const it_ = clock();
    now = 500;
    expect(it_.seconds).toBe(0);
    it_.start();
    now += 2_000;
    it_.see(false);
    now += 60_000;
    expect(it_.seconds).toBe(2);
    it_.see(true);
    it_.see(true);
    now += 1_500;
    expect(it_.seconds).toBe(3.5);
    it_.stop();
    now += 9_000;
    expect(it_.seconds).toBe(3.5);
    it_.start();
    expect(it_.seconds).toBe(0);
  });

  it("goes on after a reload where it stood, and does not run where the page is hidden from the beginning", () => {
    const it_ = clock(false);
    it_.start(4);
    now += 5_000;
    expect(it_.seconds).toBe(4);
    it_.see(true);
    now += 1_000;
    expect(it_.seconds).toBe(5);
  });

  it("never runs before it is started, whatever is seen", () => {
    const it_ = clock(false);
    it_.see(true);
    now += 5_000;
    expect(it_.seconds).toBe(0);
  });
});

describe("keys", () => {
  const key = (name: string, more: object = {}) => ({ key: name, shiftKey: false, ctrlKey: false, metaKey: false, ...more });
  const decide = { kind: "decide", shown: [], labels: LABELS } as const;
  const confirm = { kind: "confirm", shown: ["grizzly"], labels: LABELS } as const;
  const adjudicate = { kind: "adjudicate", shown: ["teddy", "black"], labels: LABELS } as const;

  it("stand one for a class, and none of them for two things", () => {
    expect(wished(key("2"), decide, true)).toEqual({ say: "grizzly" });
    expect(wished(key("9"), decide, true)).toBeNull();
    const many = { kind: "decide", shown: [], labels: Array.from({ length: 40 }, (_, i) => `class ${i}`) } as const;
    const said = CLASS_KEYS.map((one) => wished(key(one), many, true));
    expect(new Set(said.map((one) => JSON.stringify(one))).size).toBe(CLASS_KEYS.length);
    for (const other of ["u", "c", "s"]) expect(CLASS_KEYS).not.toContain(other);
  });

  it("confirm nothing that was not proposed", () => {
    expect(wished(key("Enter"), decide, true)).toBeNull();
    expect(wished(key("Enter"), adjudicate, true)).toBeNull();
    expect(wished(key("Enter"), confirm, true)).toEqual({ say: "grizzly" });
    // A button that has the focus takes Enter itself.
    expect(wished(key("Enter"), confirm, false)).toBeNull();
    expect(wished(key("1"), confirm, true)).toEqual({ say: "black" });
  });

  it("name the unnamed answers in the order in which they are shown", () => {
    expect(wished(key("a"), adjudicate, true)).toEqual({ say: "teddy" });
    expect(wished(key("b"), adjudicate, true)).toEqual({ say: "black" });
    expect(wished(key("2"), adjudicate, true)).toEqual({ say: "grizzly" });
    expect(wished(key("a"), decide, true)).toBeNull();
  });

  it("skip, undo, and say that nobody can tell", () => {
    expect([key("s"), key("u"), key("c"), key("z", { ctrlKey: true })].map((one) => wished(one, decide, true))).toEqual(["skip", "undo", "cannot-tell", "undo"]);
    expect(wished(key("s", { ctrlKey: true }), decide, true)).toBeNull();
  });
});

describe("words", () => {
  const now = new Date("2026-11-21T12:00:00Z");
  it("say when a case is due", () => {
    expect(due(null, now)).toBeNull();
    expect(due("2026-11-21T14:30:00Z", now)).toEqual({ words: "due in 2 h 30 min", tone: "calm" });
    expect(due("2026-11-21T12:05:10Z", now)).toEqual({ words: "due in 5 min 10 s", tone: "soon" });
    expect(due("2026-11-21T11:59:20Z", now)).toEqual({ words: "overdue by 40 s", tone: "over" });
    expect(span(3 * 86_400_000)).toBe("3 days");
  });

  it("claim no agreement that is not known", () => {
    expect(agreementText(null)).toMatch(/^Not known yet/);
    expect(agreementText({ kappa: null, low: null, high: null, n: 3 })).toBe("Not known yet on 3 cases that two people decided.");
    expect(agreementText({ kappa: 0.812, low: 0.66, high: 0.93, n: 46 })).toContain("κ = 0.81 (0.66 to 0.93) on 46 cases");
  });

  it("take for passing what may be taken later, and for a refusal what will not", async () => {
    const { problemOf } = await import("../src/api/problem");
    const of = (status: number) => problemOf(problem(status, "x", "x"), 0);
    expect(passes(new Unreachable())).toBe(true);
    for (const status of [401, 408, 429, 500, 502, 503, 504]) expect(passes(await of(status))).toBe(true);
    for (const status of [403, 404, 409, 422]) expect(passes(await of(status))).toBe(false);
  });
});

describe("the page Review", () => {
  async function open(queue: Queue, query: Record<string, string> = {}) {
    place.replace("review", query);
    const asked = network(queue.answer);
    render(App);
    await screen.findByRole("heading", { name: "Review", level: 1 });
    return asked;
  }
  const title = (name: string) => screen.findByRole("heading", { name, level: 2 });
  /** A case counts as seen after a moment; keys that come sooner are for the case before. */
  const settle = () => new Promise((resolve) => setTimeout(resolve, 280));
  const press = async (keys: string) => {
    await settle();
    await userEvent.keyboard(keys);
  };

  beforeEach(() => {
    session.whoami = session.models = session.modelsError = null;
    session.reachable = true;
    session.nextTryAt = null;
  });
  afterEach(async () => {
    cleanup();
    await place.close("key");
    vi.unstubAllGlobals();
  });

  it("shows one case after another and sends each decision once, in order, with its seconds", async () => {
    const queue = new Queue([review("a"), review("b"), review("c")]);
    await open(queue);
    await title("Decide");
    await press("2");
    await waitFor(() => expect(queue.decided).toHaveLength(1));
    await title("Decide");
    await press("c");
    await waitFor(() => expect(queue.decided).toHaveLength(2));
    await press("1");
    await screen.findByText("Nothing waits for you");
    expect(queue.decided.map(({ id, label, cannot_tell }) => [id, label, cannot_tell])).toEqual([
      ["a", "grizzly", false],
      ["b", null, true],
      ["c", "black", false],
    ]);
    for (const { seconds } of queue.decided) expect(seconds).toBeGreaterThan(0.2);
  });

  it("does not take a key for a case that has only just come", async () => {
    const queue = new Queue([review("a"), review("b")]);
    await open(queue);
    await title("Decide");
    await settle();
    await userEvent.keyboard("22");
    await waitFor(() => expect(queue.decided).toHaveLength(1));
    await settle();
    expect(queue.decided.map(({ id }) => id)).toEqual(["a"]);
  });

  it("marks nothing where a person is to decide, and the proposal where one is to be confirmed", async () => {
    const queue = new Queue([review("a"), review("b", { kind: "confirm", shown: ["teddy"] })]);
    await open(queue);
    await title("Decide");
    const classes = within(screen.getByRole("group", { name: "Classes" }));
    expect(classes.getAllByRole("button").map((button) => button.className)).toEqual(Array(3).fill(classes.getAllByRole("button")[0]!.className));
    await press("{Enter}");
    expect(queue.decided).toEqual([]);
    await userEvent.keyboard("1");
    await title("Confirm or correct");
    expect(screen.getByRole("button", { name: /The model proposes, confirm: *teddy/ })).toBeTruthy();
    await press("{Enter}");
    await waitFor(() => expect(queue.decided.map(({ label }) => label)).toEqual(["black", "teddy"]));
  });

  it("does not let Enter decide by a button that was used for the case before", async () => {
    const queue = new Queue([review("a"), review("b", { kind: "confirm", shown: ["teddy"] })]);
    await open(queue);
    await title("Decide");
    await settle();
    await userEvent.click(screen.getByRole("button", { name: /black/ }));
    await title("Confirm or correct");
    await waitFor(() => expect(document.activeElement?.tagName).toBe("H2"));
    await press("{Enter}");
    await waitFor(() => expect(queue.decided.map(({ label }) => label)).toEqual(["black", "teddy"]));
  });

  it("shows two unnamed answers in the order in which they come, and every other one as neither", async () => {
    const queue = new Queue([review("a", { kind: "adjudicate", shown: ["teddy", "black"] })]);
    await open(queue);
    await title("Which answer is right?");
    const two = within(screen.getByRole("group", { name: "The two answers" })).getAllByRole("button");
    expect(two.map((button) => button.textContent?.replace(/\s+/g, " ").trim())).toEqual(["a Answer A:teddy", "b Answer B:black"]);
    expect(within(screen.getByRole("group", { name: "Neither, it is:" })).getAllByRole("button")).toHaveLength(1);
    await press("b");
    await waitFor(() => expect(queue.decided.map(({ label }) => label)).toEqual(["black"]));
  });

  it("takes the last decision back", async () => {
    const queue = new Queue([review("a"), review("b", { kind: "confirm", shown: ["teddy"] })]);
    await open(queue);
    await title("Decide");
    await press("2");
    await title("Confirm or correct");
    await waitFor(() => expect(queue.decided).toHaveLength(1));
    await press("u");
    await title("Decide");
    expect(queue.decided).toEqual([]);
    await press("3");
    await title("Confirm or correct");
    await waitFor(() => expect(queue.decided.map(({ id, label }) => [id, label])).toEqual([["a", "teddy"]]));
  });

  it("says why a decision cannot be taken back", async () => {
    const queue = new Queue([review("a")], { done_today: 3 });
    await open(queue);
    await title("Decide");
    await waitFor(() => expect((screen.getByRole("button", { name: /^Undo/ }) as HTMLButtonElement).disabled).toBe(false));
    await press("u");
    await screen.findByText(/has no decision that can still be taken back/, { selector: ".title" });
    await title("Decide");
  });

  it("passes over what was skipped, and offers it once nothing else is left", async () => {
    const queue = new Queue([review("a"), review("b")]);
    const asked = await open(queue);
    await title("Decide");
    await press("s");
    await waitFor(() => expect(queue.skipped).toEqual(["a"]));
    await title("Decide");
    await press("1");
    await waitFor(() => expect(queue.decided.map(({ id }) => id)).toEqual(["b"]));
    expect(asked.filter((line) => line.includes("/next")).at(-1)).toContain("skip=a");
    await userEvent.click(await screen.findByRole("button", { name: "Look at it again" }));
    await title("Decide");
    await press("2");
    await waitFor(() => expect(queue.decided.map(({ id }) => id)).toEqual(["b", "a"]));
  });

  it("keeps a decision over a lost connection and a reload, says so, and sends it once", async () => {
    const queue = new Queue([review("a"), review("b")]);
    await open(queue);
    await title("Decide");
    queue.down = true;
    await press("2");
    await screen.findByText(/1 decision not sent yet: the server does not answer/);
    expect(queue.decided).toEqual([]);
    // The tab is loaded anew.
    cleanup();
    vi.unstubAllGlobals();
    queue.down = false;
    session.whoami = null;
    await open(queue);
    await waitFor(() => expect(queue.decided.map(({ id, label }) => [id, label])).toEqual([["a", "grizzly"]]));
    await title("Decide");
    await press("3");
    await waitFor(() => expect(queue.decided.map(({ id }) => id)).toEqual(["a", "b"]));
    expect(Object.keys(localStorage).filter((name) => name.includes("decisions"))).toEqual([]);
  });

  it("never sends one person's decision with another's key", async () => {
    const queue = new Queue([review("a")]);
    await open(queue);
    await title("Decide");
    queue.down = true;
    await press("2");
    await screen.findByText(/1 decision not sent yet/);
    cleanup();
    vi.unstubAllGlobals();
    const other = new Queue([]);
    place.replace("review");
    session.whoami = null;
    network((url, init) => {
      const answer = other.answer(url, init);
      return url.pathname === "/v1/whoami" ? new Response(JSON.stringify({ keys_required: true, role: "review", name: "ben", version: "0.3.0", desk: null, blind: true })) : answer;
    });
    render(App);
    await screen.findByText("Nothing waits for you");
    await settle();
    expect(other.decided).toEqual([]);
    expect(Object.keys(localStorage).filter((name) => name.includes("decisions"))).toHaveLength(1);
  });

  it("gives up what the server refuses, says why, and goes on", async () => {
    const queue = new Queue([review("a"), review("b")]);
    await open(queue);
    await title("Decide");
    queue.refusal = problem(409, "not-now", "the lease has ended, and somebody else has it");
    await press("2");
    await screen.findByText(/Your last decision was not taken.*somebody else has it/, { selector: ".title" });
    await press("2");
    await waitFor(() => expect(queue.decided).not.toEqual([]));
  });

  it("holds a second case only where enough is left for others, and gives it back when it is left", async () => {
    const few = new Queue([review("a"), review("b"), review("c")]);
    await open(few);
    await title("Decide");
    await settle();
    expect([...few.leased]).toEqual(["a"]);
    cleanup();
    vi.unstubAllGlobals();
    const many = new Queue(Array.from({ length: 9 }, (_, i) => review(`m${i}`)));
    session.whoami = null;
    await open(many);
    await title("Decide");
    await waitFor(() => expect([...many.leased]).toEqual(["m0", "m1"]));
    await press("1");
    await waitFor(() => expect([...many.leased]).toEqual(["m1", "m2"]));
    cleanup();
    await waitFor(() => expect(many.skipped).toEqual(["m2"]));
  });

  it("says when no rollout is live, and when the day is done", async () => {
    const queue = new Queue([], { left_today: 0, done_today: 40 });
    let live = false;
    place.replace("review");
    network((url, init) => (url.pathname.startsWith("/v1/reviews") && !live ? problem(404, "not-found", "no rollout is live") : queue.answer(url, init)));
    render(App);
    await screen.findByText("No rollout asks for reviews");
    live = true;
    await userEvent.click(screen.getByRole("button", { name: "Look again" }));
    await screen.findByText("Done for today");
  });

  it("tells of the queue of the case at hand where several rollouts are live", async () => {
    const queue = new Queue([review("a", { rollout: "cells" })], { rollout: "cells", done_today: 7 });
    place.replace("review");
    network((url, init) =>
      url.pathname === "/v1/reviews/summary" && !url.searchParams.get("rollout") ? problem(422, "unprocessable", "several rollouts are live; add ?rollout=NAME") : queue.answer(url, init),
    );
    render(App);
    await title("Decide");
    await screen.findByText("cells, as ann");
    expect(screen.getByText("7")).toBeTruthy();
  });

  it("sends a grid's decisions together, and of proposals only those that were in sight", async () => {
    const queue = new Queue(["a", "b", "c"].map((id) => review(id, { kind: "confirm", shown: ["teddy"] })));
    await open(queue, { view: "grid" });
    const list = within(await screen.findByRole("list", { name: "Cases" }));
    await waitFor(() => expect(screen.getByRole("button", { name: "Confirm 3 cases" })).toBeTruthy());
    const cards = list.getAllByRole("article");
    cards[1]!.focus();
    await userEvent.keyboard("1");
    expect(document.activeElement).toBe(cards[2]);
    await userEvent.click(screen.getByRole("button", { name: "Send 3 decisions" }));
    await screen.findByText("Nothing waits for you");
    await waitFor(() => expect(queue.decided.map(({ id, label }) => [id, label])).toEqual([["a", "teddy"], ["b", "black"], ["c", "teddy"]]));
  });

  it("sends of a blind grid only what was answered", async () => {
    const queue = new Queue(["a", "b"].map((id) => review(id)));
    await open(queue, { view: "grid" });
    const list = within(await screen.findByRole("list", { name: "Cases" }));
    expect((screen.getByRole("button", { name: "Send 0 decisions" }) as HTMLButtonElement).disabled).toBe(true);
    list.getAllByRole("article")[0]!.focus();
    await userEvent.keyboard("{Enter}");
    expect(screen.getByRole("button", { name: "Send 0 decisions" })).toBeTruthy();
    await userEvent.keyboard("c");
    await userEvent.click(screen.getByRole("button", { name: "Send 1 decision" }));
    await waitFor(() => expect(queue.decided.map(({ id, label }) => [id, label])).toEqual([["a", null]]));
  });
});
