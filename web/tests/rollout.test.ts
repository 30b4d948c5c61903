import { cleanup, render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { createHash } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "../src/App.svelte";
import { place } from "../src/location.svelte";
import { check } from "../src/rollout/chain";
import { drawn } from "../src/rollout/curve";
import { peopleFacts } from "../src/rollout/people";
import { sha256 } from "../src/rollout/sha256";
import type { Curve, Reading, Row, Status } from "../src/rollout/types";
import { gateAsks, gatesOf, gateValue, lineText, slicesText, stageOf, workTime } from "../src/rollout/words";
import { session } from "../src/session.svelte";
import { reviewer } from "../src/truths/reviewer.svelte";
import { json, network, problem } from "./fakes";

const GENESIS = "0".repeat(64);
const hash = (text: string) => createHash("sha256").update(text).digest("hex");

function reading(gate: string, changes: Partial<Reading> = {}): Reading {
  return { gate, slice: null, value: 0.01, bound: 0.03, threshold: 0.02, n: 400, verdict: "not-yet", expected_more: 120, words: "The model may be up to 3.0 points worse.", ...changes };
}

const COUNTS = { arrived: 500, waiting: 3, blind: 497, assisted: 0, acted: 0, undecided: 1, certified: 400, out_of_domain: 9, seeded: 0, final: 400, unresolved: 2, cannot_tell: 1 };
const CHANGED = { compared: 0, discordant: 0, model_right: 0, person_right: 0, neither: 0, cannot_tell: 0, unresolved: 0, both_wrong: 0 };

function status(changes: Partial<Status> = {}): Status {
  return {
    id: "r1",
    name: "bears",
    model: "bears",
    bundle_id: "bundle",
    shadow_of: null,
    opened_at: "2026-11-01T12:00:00Z",
    at: "2026-11-21T12:00:00Z",
    head: 3,
    head_hash: "f".repeat(64),
    stage: "parallel",
    step: 0,
    share: null,
    paused: false,
    holds: [],
    next: { stage: "supervised", step: 0 },
    may_advance: false,
    refusals: ["non-inferior: not yet"],
    expected_more: 120,
    readings: [reading("non-inferior"), reading("non-inferior", { slice: "site=north", verdict: "fail" }), reading("cases", { value: 400, bound: null, threshold: 300, verdict: "pass", expected_more: null, words: "400 cases, of 300 asked." })],
    counts: COUNTS,
    slices: { "site=north": COUNTS },
    changed: { ...CHANGED, compared: 300, discordant: 12, model_right: 5, person_right: 2, neither: 1 },
    changed_slices: {},
    overrides: [],
    workload: { decisions: 500, seconds: 3000, timed: 500, saved: 0 },
    harm: null,
    spent: { alpha: 0.05, spent: 0, attempt: 0 },
    curves: [],
    queue: {},
    people: {},
    turns: [],
    ...changes,
  } as Status;
}

const row = (changes: Partial<Row> = {}): Row => ({ id: "r1", name: "bears", model: "bears", bundle_id: "bundle", stage: "parallel", step: 0, paused: false, opened_at: "2026-11-01T12:00:00Z", live: true, served: true, shadow_of: null, head: 3, head_hash: "f".repeat(64), ...changes });

describe("words", () => {
  it("give each gate's number in its unit", () => {
    expect(gateValue("non-inferior", 0.0231)).toBe("+2.3 points");
    expect(gateValue("non-inferior", -0.004)).toBe("-0.4 points");
    expect(gateValue("risk", 0.062)).toBe("6.2%");
    expect(gateValue("latency", 2_000)).toBe("2.0 s");
    expect(gateValue("cases", 1234)).toBe("1,234");
    expect(gateValue("days", 7)).toBe("7 days");
    expect(gateValue("risk", null)).toBe("–");
    expect(gateValue("unheard-of", 0.5)).toBe("0.5");
    expect(gateAsks("non-inferior", 0.02)).toBe("at most 2.0 points");
    expect(gateAsks("cases", 300)).toBe("at least 300");
    expect(gateAsks("alarms", 0)).toBe("none");
  });

  it("let the worst slice decide how a gate stands", () => {
    const gates = gatesOf([reading("risk", { verdict: "pass" }), reading("risk", { slice: "site=a", verdict: "pass" }), reading("risk", { slice: "site=b", verdict: "not-yet" }), reading("cases", { verdict: "pass" })]);
    expect(gates.map(({ gate, verdict }) => [gate, verdict])).toEqual([["risk", "not-yet"], ["cases", "pass"]]);
    expect(slicesText(gates[0]!.slices)).toBe("1 of 2 slices pass; not site b");
    expect(slicesText(gates[0]!.slices.slice(0, 1))).toBe("its one slice passes");
  });

  it("say of a line who did what and why", () => {
    expect(lineText({ event: "decided", by: "ann", review: "decide", label: null, how: "blind" })).toEqual({ who: "ann", what: "decided: cannot tell", why: "blind" });
    expect(lineText({ event: "turned", turn: "rolled-back", by: null, reason: "too many errors", stage: "rolled-back", step: 0 })).toEqual({ who: "the evidence", what: "rolled back", why: "too many errors" });
    expect(lineText({ event: "turned", turn: "advanced", by: "ops", reason: "ok", stage: "expanding", step: 1 }).what).toBe("advanced to Expanding, step 2");
    expect(lineText({ event: "of-the-future" })).toEqual({ who: "", what: "of-the-future", why: "" });
    expect(stageOf("expanding", 0)).toBe("Expanding, step 1");
    expect([workTime(40), workTime(1_500), workTime(36_000)]).toEqual(["40 s", "25 min", "10.0 h"]);
  });
});

describe("people by themselves", () => {
  it("stand with what each figure rests on, and nothing stands where nothing is known", () => {
    const none = { hits: 0, n: 0, value: null, lower: null, upper: null };
    expect(peopleFacts({})).toEqual([]);
    expect(peopleFacts({ decided_twice: { n: 0, kappa: null }, seeded: none, found_wrong: none })).toEqual([]);
    const known = { decided_twice: { n: 61, kappa: 0.83, low: 0.7, high: 0.94, error: 0.034 }, adjudicated_twice: { n: 22, error: 0.02, error_upper: 0.11 }, seeded: { n: 20, value: 0.05, lower: 0.01, upper: 0.25 } };
    expect(peopleFacts(known).map(({ value, from }) => `${value} from ${from}`)).toEqual([
      "0.83 (0.70 – 0.94) from 61 cases decided by two",
      "3.4% from 61 cases decided by two",
      "2.0%, at most 11.0% from 22 cases adjudicated by two",
      "5.0% (1.0% – 25.0%) from 20 decisions",
    ]);
  });
});

describe("an evidence curve", () => {
  const curve = (points: Curve["points"], threshold = 0.02): Curve => ({ gate: "risk", slice: null, threshold, points });
  const at = (day: number, value: number | null, bound: number | null) => ({ at: `2026-11-${String(day).padStart(2, "0")}T00:00:00Z`, n: day, value, bound });

  it("stands with its threshold within the frame, later moments further right, larger numbers higher up", () => {
    const marks = drawn(curve([at(1, null, null), at(2, 0.01, 0.06), at(4, 0.012, 0.04), at(8, 0.011, 0.025)]), 320, 132)!;
    expect(marks.beyond).toBe(false);
    expect(marks.threshold).toBeGreaterThan(0);
    expect(marks.threshold).toBeLessThan(132);
    const xs = [...marks.bound.matchAll(/[ML]([\d.]+) ([\d.]+)/g)].map(([, x, y]) => [Number(x), Number(y)]);
    expect(xs).toHaveLength(3);
    expect(xs[0]![0]).toBeLessThan(xs[1]![0]!);
    expect(xs[2]![1]).toBeGreaterThan(xs[0]![1]!);
    for (const { y } of marks.ticks) expect(y).toBeGreaterThanOrEqual(0);
    expect(marks.last).toEqual({ x: xs[2]![0], y: xs[2]![1] });
  });

  it("is none before there are two moments with a number", () => {
    expect(drawn(curve([]), 320, 132)).toBeNull();
    expect(drawn(curve([at(1, null, null), at(2, 0.1, null)]), 320, 132)).toBeNull();
    expect(drawn(curve([at(2, 0.1, null), at(2, 0.2, null)]), 320, 132)).toBeNull();
  });

  it("is drawn where numbers do not change at all", () => {
    expect(drawn(curve([at(1, 0, null), at(2, 0, null)], 0), 320, 132)).not.toBeNull();
  });
});

describe("SHA-256", () => {
  it("is that of everybody else, at every length around a block", () => {
    for (const text of ["", "abc", "Köln 🐻", ...Array.from({ length: 140 }, (_, n) => "x".repeat(n)), "y".repeat(100_000)]) expect(sha256(text)).toBe(hash(text));
  });
});

describe("the chain of a log", () => {
  function log(n: number): string[] {
    let before = GENESIS;
    return Array.from({ length: n }, (_, i) => {
      // Texts that another writer of JSON would write otherwise: numbers, escapes, a name that looks like the line's own end.
      const body = `{"at":"2026-11-21T12:00:00Z","event":"decided","seconds":${i}.0,"small":1e-07,"words":"K\\u00f6ln ,\\"before\\":\\"${"0".repeat(64)}\\""}`;
      const own = hash(`${before}\n${i + 1}\n${body}`);
      const line = `{"number":${i + 1},"at":"2026-11-21T12:00:00Z","case_id":null,"event":${body},"before":"${before}","hash":"${own}"}`;
      before = own;
      return line;
    });
  }
  const headOf = (lines: string[]) => ({ number: lines.length, hash: /"hash":"(\w+)"\}$/.exec(lines.at(-1) ?? "")?.[1] ?? "" });
  /** In pieces that end anywhere. */
  const streamed = (lines: string[], piece = 37) => {
    const bytes = new TextEncoder().encode(lines.map((line) => `${line}\n`).join(""));
    return new ReadableStream<Uint8Array>({
      start(controller) {
        for (let i = 0; i < bytes.length; i += piece) controller.enqueue(bytes.slice(i, i + piece));
        controller.close();
      },
    });
  };
  const nothing = () => undefined;

  it("holds where every line follows from the one before", async () => {
    const lines = log(12);
    expect(await check(streamed(lines), headOf(lines), nothing)).toEqual({ lines: 12, broken: null });
    // Lines that came while it was read are no fault.
    expect(await check(streamed(lines), headOf(lines.slice(0, 9)), nothing)).toEqual({ lines: 12, broken: null });
  });

  it("breaks where a line was changed, left out, put in, or cut off at the end", async () => {
    const lines = log(12);
    const head = headOf(lines);
    const changed = lines.with(4, lines[4]!.replace('"event":"decided"', '"event":"arrived"'));
    expect((await check(streamed(changed), head, nothing)).broken).toBe(5);
    expect((await check(streamed(lines.toSpliced(6, 1)), head, nothing)).broken).toBe(7);
    expect((await check(streamed(lines.toSpliced(6, 0, lines[5]!)), head, nothing)).broken).toBe(7);
    expect((await check(streamed(lines.slice(0, 10)), head, nothing)).broken).toBe(11);
    expect((await check(streamed([]), head, nothing)).broken).toBe(1);
    expect((await check(streamed(lines), { ...head, hash: "0".repeat(64) }, nothing)).broken).toBe(12);
    expect((await check(streamed(lines.with(0, "not json")), head, nothing)).broken).toBe(1);
  });
});

describe("the page Rollout", () => {
  let now: Status;
  let rows: Row[];
  let sent: [string, unknown][];
  let refusal: Response | null;

  async function open(who: object = { name: "ops", keys_required: true }) {
    const asked = network(async (url, init) => {
      if (url.pathname === "/v1/whoami") return json({ role: "admin", version: "0.3.0", desk: null, blind: false, ...who });
      if (url.pathname === "/v1/monitor") return problem(404, "not-found", "none");
      if (url.pathname === "/v1/rollouts") return json({ rollouts: rows });
      const [, , rest] = /^\/v1\/rollouts\/(\w+)(\/.*)?$/.exec(url.pathname) ?? [];
      if (rest === "/log") return json({ lines: [{ number: 1, at: now.opened_at, case_id: null, event: { event: "opened", by: "ops", policy: { expanding: { steps: [0.05, 0.25, 1] } } }, before: GENESIS, hash: "a".repeat(64) }], next: null });
      if (rest && init.method === "POST") {
        if (refusal) return refusal.clone();
        sent.push([rest.slice(1), JSON.parse(init.body as string)]);
        const stage = { rollback: "rolled-back", clear: "parallel" }[rest.slice(1)] ?? now.stage;
        const paused = rest === "/pause";
        now = status({ ...now, stage: stage as Status["stage"], paused, holds: paused ? [{ kind: "person", words: "look", at: now.at, alarm_id: null, by: "ops" }] : [] });
        return json(now);
      }
      return url.pathname.startsWith("/v1/rollouts/") ? json(now) : undefined;
    });
    place.replace("rollout");
    render(App);
    await screen.findByRole("heading", { name: /^Rollout/, level: 1 });
    return asked;
  }

  beforeEach(() => {
    session.whoami = session.models = session.modelsError = null;
    session.reachable = true;
    session.nextTryAt = null;
    reviewer.name = "";
    now = status();
    rows = [row()];
    sent = [];
    refusal = null;
  });
  afterEach(async () => {
    cleanup();
    await place.close("key");
    vi.unstubAllGlobals();
  });

  it("says where it is, what it takes to advance, and keeps the advance shut until the gates let it", async () => {
    await open();
    const stages = within(await screen.findByRole("list", { name: "Stages" })).getAllByRole("listitem");
    expect(stages.map((one) => one.getAttribute("aria-current"))).toEqual([null, "step", null, null]);
    await waitFor(() => expect(stages[3]!.textContent).toContain("25 %"));
    const gates = within(screen.getByRole("list", { name: "Gates" })).getAllByRole("listitem").filter((one) => one.classList.contains("card"));
    expect(gates.map((one) => one.querySelector("h3")!.textContent)).toEqual(["Not worse than people fails", "Enough cases passes"]);
    expect(gates[0]!.textContent).toContain("+3.0 points");
    expect(gates[0]!.textContent).toContain("at most 2.0 points");
    expect(gates[0]!.textContent).toContain("120 more labelled cases");
    expect((screen.getByRole("button", { name: "Advance to supervised …" }) as HTMLButtonElement).disabled).toBe(true);
    expect(screen.getByText("1 reason why it cannot advance now")).toBeTruthy();
    const changed = screen.getByRole("region", { name: "What the model would have changed" });
    expect(changed.textContent).toContain("12 of 300 certified cases");
    expect(within(changed).getByRole("img").getAttribute("aria-label")).toBe("5 model right, 2 person right, 1 neither, 4 not judged yet");
  });

  it("advances by a named person with a reason, and not without", async () => {
    now = status({ may_advance: true, refusals: [], expected_more: null });
    await open();
    await userEvent.click(await screen.findByRole("button", { name: "Advance to supervised …" }));
    const dialog = within(screen.getByRole("dialog", { name: "Advance to supervised" }));
    expect(dialog.getByText("ops")).toBeTruthy();
    await userEvent.click(dialog.getByRole("button", { name: "Advance" }));
    expect(dialog.getByRole("alert").textContent).toBe("Say why: it stays in the log.");
    expect(sent).toEqual([]);
    await userEvent.type(dialog.getByLabelText("Reason"), "agreed with the plant");
    await userEvent.click(dialog.getByRole("button", { name: "Advance" }));
    await waitFor(() => expect(sent).toEqual([["advance", { reason: "agreed with the plant" }]]));
    await waitFor(() => expect(screen.queryByRole("dialog")).toBeNull());
  });

  it("pauses and resumes at one click, and rolls back after one question without asking why", async () => {
    await open();
    await userEvent.click(await screen.findByRole("button", { name: "Pause" }));
    await userEvent.click(await screen.findByRole("button", { name: "Resume" }));
    await userEvent.click(await screen.findByRole("button", { name: "Roll back …" }));
    await userEvent.click(within(screen.getByRole("dialog", { name: "Roll back" })).getByRole("button", { name: "Roll back" }));
    await waitFor(() => expect(sent.map(([turn]) => turn)).toEqual(["pause", "resume", "rollback"]));
    for (const [, body] of sent) expect((body as { reason: string }).reason).toContain("no reason was given");
    // Latched: nothing but clearing leads out of it.
    await screen.findByRole("button", { name: "Clear …" });
    expect(screen.queryByRole("button", { name: /Advance|Pause|Resume|Roll back/ })).toBeNull();
  });

  it("asks for a name where the server cannot know it", async () => {
    await open({ name: null, keys_required: false });
    await userEvent.click(await screen.findByRole("button", { name: "Pause" }));
    const dialog = within(await screen.findByRole("dialog", { name: "Pause" }));
    await userEvent.click(dialog.getByRole("button", { name: "Pause" }));
    expect(dialog.getByRole("alert").textContent).toBe("Say who you are.");
    await userEvent.type(dialog.getByLabelText("Your name"), "Ada");
    await userEvent.click(dialog.getByRole("button", { name: "Pause" }));
    await waitFor(() => expect(sent.map(([turn, body]) => [turn, (body as { by: string }).by])).toEqual([["pause", "Ada"]]));
  });

  it("shows what the server refuses in its words, and stays where it was", async () => {
    refusal = problem(409, "not-now", "an alarm stands; clear it first");
    await open();
    await userEvent.click(await screen.findByRole("button", { name: "Pause" }));
    await screen.findByText("an alarm stands; clear it first");
    expect(screen.getByRole("button", { name: "Pause" })).toBeTruthy();
  });

  it("says what stopped it: holds, the evidence, the end", async () => {
    now = status({ stage: "rolled-back", readings: [], next: null, turns: [{ at: "2026-11-21T11:00:00Z", turn: "rolled-back", by: null, reason: "71 audits, too many wrong", stage: "rolled-back", step: 0, evidence: { head_hash: "e".repeat(64) } }] });
    await open();
    const banner = await screen.findByRole("region", { name: "Rolled back" });
    expect(banner.textContent).toContain("71 audits, too many wrong");
    expect(banner.textContent).toContain("by the evidence itself");
    const cells = within(screen.getByRole("region", { name: "Audit log" })).getAllByRole("cell").map((cell) => cell.textContent);
    expect(cells.slice(1)).toEqual(["the evidence", "rolled back", "71 audits, too many wrong", "eeeeeeeeee"]);
  });

  it("lists several, shows the live one first, and keeps the choice in the address", async () => {
    rows = [row({ id: "r0", name: "old", live: false, stage: "ended" }), row(), row({ id: "r2", name: "next", shadow_of: "r1" })];
    const asked = await open();
    const list = within(await screen.findByRole("navigation", { name: "Rollouts" })).getAllByRole("button");
    expect(list.map((one) => one.textContent?.trim().split(/\s+/)[0])).toEqual(["bears", "next", "old"]);
    expect(list[0]!.getAttribute("aria-pressed")).toBe("true");
    expect(list[1]!.textContent).toContain("candidate beside bears");
    await userEvent.click(list[2]!);
    await waitFor(() => expect(asked.some((line) => line === "GET /v1/rollouts/r0")).toBe(true));
    expect(place.route.query.get("name")).toBe("r0");
  });

  it("tells how to open one where there is none", async () => {
    rows = [];
    await open();
    await screen.findByText("No rollout has been opened");
  });
});
