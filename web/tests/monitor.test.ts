import { cleanup, render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "../src/App.svelte";
import { place } from "../src/location.svelte";
import type { Alarm, Cluster, Monitor, Watched } from "../src/monitor/types";
import { comparisons, figures } from "../src/monitor/evidence";
import { FAR_MS, NEAR_MS, watch } from "../src/monitor/watch.svelte";
import { acted, ago, evidenceText, headline, historyOf, rateText, standing, urgent } from "../src/monitor/words";
import { session } from "../src/session.svelte";
import { reviewer } from "../src/truths/reviewer.svelte";
import { entry, json, network, problem } from "./fakes";

function alarm(id: string, changes: Partial<Alarm> = {}): Alarm {
  return {
    id,
    model: "bears",
    bundle_id: "bundle",
    source: "river",
    source_name: "river",
    monitor: "out-of-domain-rate",
    monitor_name: "out-of-domain rate",
    looks_like: "new-class",
    looks_like_name: "new class",
    began: "2026-11-21T12:00:00Z",
    raised: "2026-11-21T13:00:00Z",
    text: "More images than usual are unlike those trained on.",
    evidence: { votes: 24, out_of_domain: { before: 0.04, since: 0.5 }, images: ["a".repeat(32)] },
    acts: true,
    cleared: null,
    cleared_by: null,
    reason: null,
    ...changes,
  };
}

function watched(changes: Partial<Watched> = {}): Watched {
  const rate = { value: 0.21, low: 0.15, high: 0.29, count: 25, n: 120 };
  return {
    model: "bears",
    bundle_id: "bundle",
    title: "Bears",
    current: true,
    state: "ok",
    text: "Nothing unusual in 1 source.",
    n: 300,
    votes: 120,
    last_seen: "2026-11-21T13:00:00Z",
    out_of_domain: rate,
    expected_out_of_domain: 0.05,
    sources: [{ source: "river", name: "river", n: 300, votes: 120, last_seen: "2026-11-21T13:00:00Z", out_of_domain: rate, evidence: 0.42, alarms: [], held: false }],
    sources_left_out: 0,
    alarms: [],
    estimated_accuracy: { value: 0.93, low: 0.9, high: 0.96, n: 120, is: "estimate", text: "Estimated from confidences." },
    audited: null,
    certificate: null,
    progress: { position: 9, behind: 0, caught_up: true, seconds_behind: 0.4, updated: null, problem: null },
    ...changes,
  };
}

const monitor = (...models: Watched[]): Monitor => ({ on_alarm: "review", alarms_known: true, webhook: null, models });

describe("words", () => {
  it("say of a model the one thing to know", () => {
    expect(headline(watched())).toEqual({ tone: "well", words: "all well" });
    expect(headline(watched({ state: "alarm", alarms: [alarm("1")] }))).toEqual({ tone: "alarm", words: "1 alarm stands" });
    expect(headline(watched({ state: "alarm", alarms: [alarm("1"), alarm("2")] })).words).toBe("2 alarms stand");
    expect(headline(watched({ state: "no-gate" }))).toEqual({ tone: "unsure", words: "no gate" });
    // Without a gate there may be an alarm all the same: of the audited error.
    expect(headline(watched({ state: "no-gate", alarms: [alarm("1")] })).tone).toBe("alarm");
    expect(headline(watched({ state: "learning" })).tone).toBe("unsure");
  });

  it("put what is urgent first and the newest alarm on top", () => {
    const rows = [watched({ title: "calm" }), watched({ title: "loud", alarms: [alarm("1"), alarm("2", { raised: "2026-11-21T15:00:00Z" })] })];
    expect(urgent(rows).map(({ title }) => title)).toEqual(["loud", "calm"]);
    expect(standing(monitor(...rows)).map(({ id }) => id)).toEqual(["2", "1"]);
    expect(standing(null)).toEqual([]);
  });

  it("say what an alarm did", () => {
    expect(acted(alarm("1"), "review")).toBe("“accept” becomes “review” for river until a person clears the alarm");
    expect(acted(alarm("1", { source: null }), "review")).toContain("for all sources");
    expect(acted(alarm("1", { acts: false }), "tell")).toContain("nothing but to tell");
    expect(acted(alarm("1", { acts: false, cleared: "2026-11-21T14:00:00Z" }), "review")).toContain("it is cleared");
  });

  it("say shares, evidence and times", () => {
    expect(rateText({ value: 0.07, low: 0.055, high: 0.089, count: 7, n: 100 })).toBe("7.0%, between 5.5% and 8.9%");
    expect(rateText({ value: null, low: 0, high: 1, count: 0, n: 0 })).toBe("no votes yet");
    expect([evidenceText(0.424), evidenceText(1)]).toEqual(["42% of the way to an alarm", "at the limit of an alarm"]);
    const now = new Date("2026-11-21T14:00:00Z");
    expect(["2026-11-21T13:59:30Z", "2026-11-21T13:56:00Z", "2026-11-20T13:00:00Z", "2026-11-11T13:00:00Z", "2026-11-21T14:05:00Z"].map((at) => ago(at, now))).toEqual(["just now", "4 min ago", "25 h ago", "10 days ago", "just now"]);
  });

  it("set what was so before an alarm beside what is since, and mark what chance would hardly do", () => {
    const tests = [
      { of: "labels", distance: 0.2, p: 0.1625, before: { teddy: 0.4219, black: 0.2969 }, since: { teddy: 0.625 } },
      { of: "confidence", distance: 0.46, p: 0.00110512, before: 0.98728, since: 0.9213 },
    ];
    const evidence = { votes: 24, out_of_domain: { before: 0, since: 0.5 }, tests, in_domain_at_most: 0.0656, none: null, deep: { a_b: true, list: ["x", 2] }, began_with: "0".repeat(32), images: ["a".repeat(32)] };
    expect(comparisons(evidence)).toEqual([
      { name: "Unlike the training images", before: "0.0%", since: "50.0%", p: "", telling: false },
      { name: "Labels", before: "teddy: 42%, black: 30%", since: "teddy: 63%", p: "0.16", telling: false },
      { name: "Confidence", before: "0.987", since: "0.921", p: "0.0011", telling: true },
    ]);
    expect(figures(evidence)).toEqual([
      { name: "Votes since it began", text: "24" },
      { name: "To be expected unlike them, at most", text: "6.6%" },
      { name: "None", text: "–" },
      { name: "Deep › a b", text: "yes" },
      { name: "Deep › list", text: "x, 2" },
      { name: "Began with", text: "this image", href: `#/history?id=${"0".repeat(32)}` },
    ]);
    expect([comparisons({}), figures({})]).toEqual([[], []]);
  });

  it("lead to what came from the source since the alarm began", () => {
    const day = new Date("2026-11-21T12:00:00Z");
    const from = `${day.getFullYear()}-11-${day.getDate()}`;
    expect(historyOf(alarm("1"), [])).toEqual({ model: "bears", verdict: "out_of_domain", camera: "river", from });
    const site = entry("a", { metadata: { camera: null, site: "river", group: null, taken_at: null, extra: {} } });
    expect(historyOf(alarm("1", { monitor: "score" }), [site])).toEqual({ model: "bears", site: "river", from });
    expect(historyOf(alarm("1", { source: null, monitor: "score", began: "?" }), [])).toEqual({ model: "bears" });
  });
});

describe("the page", () => {
  let now: Monitor;
  let cleared: Alarm[];
  let posted: [path: string, body: Record<string, unknown>][];
  let clusters: Cluster[];

  beforeEach(() => {
    session.key = session.whoami = session.models = session.modelsError = null;
    watch.data = watch.error = watch.at = null;
    reviewer.name = "";
    now = monitor(watched());
    cleared = posted = clusters = [];
    posted = [];
  });
  afterEach(async () => {
    cleanup();
    vi.useRealTimers();
    vi.unstubAllGlobals();
    for (const kind of ["details", "key"] as const) while (place.has(kind)) await place.close(kind);
  });

  function open(own: (url: URL) => Response | undefined = () => undefined) {
    const asked = network((url, init) => {
      const other = own(url);
      if (other) return other;
      if (init.method === "POST") posted.push([url.pathname, JSON.parse(init.body as string)]);
      if (url.pathname === "/v1/monitor") return json(now);
      if (url.pathname === "/v1/monitor/clusters") return json({ refused: 5, embedded: 5, clusters, alone: 1, text: "4 of 5 refused images look alike." });
      if (url.pathname === "/v1/monitor/alarms") return json({ alarms: cleared, next: null });
      const [, id, clear] = /^\/v1\/monitor\/alarms\/(\w+)(\/clear)?$/.exec(url.pathname) ?? [];
      if (id && !clear) return json({ ...alarm(id), predictions: [entry("a"), entry("b")], predictions_missing: 1 });
      if (id) {
        const { reason, by } = posted.at(-1)![1] as { reason: string; by: string };
        cleared = [alarm(id, { acts: false, cleared: "2026-11-21T14:00:00Z", cleared_by: by, reason })];
        now = monitor(watched());
        return json(cleared[0]);
      }
      if (/^\/v1\/predictions\/\w+\/label$/.test(url.pathname)) return json({ ...posted.at(-1)![1], id: "1", prediction_id: "x", at: "2026-11-21T14:00:00Z" });
      if (/^\/v1\/predictions\/\w+$/.test(url.pathname)) return json(entry(url.pathname.split("/").at(-1)!));
      return undefined;
    });
    place.replace("monitor");
    render(App);
    return asked;
  }

  it("says that all is well, with the sources and the estimate marked as one", async () => {
    open();
    expect(await screen.findByRole("heading", { name: "Bears: all well" })).toBeTruthy();
    const table = within(screen.getByRole("table"));
    expect(table.getByRole("row", { name: /^river 21\.0%, between 15\.0% and 29\.0%.*120/ })).toBeTruthy();
    expect(table.getByRole("meter", { name: "Evidence at river" }).getAttribute("aria-valuetext")).toBe("42% of the way to an alarm");
    expect(screen.getByText("estimate")).toBeTruthy();
    expect(screen.getByRole("link", { name: "Monitor" })).toBeTruthy();
  });

  it("shows an alarm on every page, and what it did, since when and to which images", async () => {
    now = monitor(watched({ state: "alarm", alarms: [alarm("1")] }));
    open();
    expect(await screen.findByRole("link", { name: /^Monitor *: 1 standing alarm$/ })).toBeTruthy();
    const card = within(screen.getByRole("article", { name: "river" }));
    expect(card.getByText("new class")).toBeTruthy();
    expect(card.getByText(/“accept” becomes “review” for river/)).toBeTruthy();
    const images = await card.findAllByRole("link", { name: /\.jpg/ });
    expect(images.map((link) => link.getAttribute("href"))).toEqual(["#/history?id=a", "#/history?id=b"]);
    expect(card.getByText(/1 more is not in the store any more/)).toBeTruthy();
    await userEvent.click(card.getByText("Evidence"));
    expect(card.getByRole("row", { name: "Unlike the training images 4.0% 50.0%" })).toBeTruthy();
  });

  it("clears an alarm only with a reason, and says who did", async () => {
    now = monitor(watched({ state: "alarm", alarms: [alarm("1")] }));
    open();
    const user = userEvent.setup();
    await user.click(await screen.findByRole("button", { name: "Clear …" }));
    await user.click(screen.getByRole("button", { name: "Clear the alarm" }));
    expect(screen.getByText(/Say why/)).toBeTruthy();
    expect(posted).toEqual([]);
    await user.type(screen.getByLabelText("Reason for clearing it"), "lens cleaned");
    await user.click(screen.getByRole("button", { name: "Clear the alarm" }));
    expect(screen.getByText("Say who you are.")).toBeTruthy();
    await user.type(screen.getByLabelText("Your name"), "Ada{Enter}");
    expect(await screen.findByRole("heading", { name: "Bears: all well" })).toBeTruthy();
    expect(posted).toEqual([["/v1/monitor/alarms/1/clear", { reason: "lens cleaned", by: "Ada" }]]);
    expect(await screen.findByText("lens cleaned")).toBeTruthy();
    expect(screen.queryByRole("article")).toBeNull();
    await waitFor(() => expect(document.activeElement).toBe(screen.getByRole("heading", { name: "Monitor" })));
  });

  it("labels a cluster of refused images after each has been looked at", async () => {
    const ids = ["c1", "c2", "c3", "c4"];
    clusters = [{ size: 4, sources: [{ source: "river", name: "river", n: 4 }], first: "2026-11-21T12:00:00Z", last: "2026-11-21T13:00:00Z", similarity: 0.8, ids, examples: [{ id: "c1", input: "/v1/inputs/c1", label: null, at: "2026-11-21T12:00:00Z" }] }];
    reviewer.name = "Ada";
    const asked = open();
    const user = userEvent.setup();
    await user.click(await screen.findByRole("button", { name: "Label as a class …" }));
    await waitFor(() => expect(asked.filter((call) => /predictions\/c\d$/.test(call))).toHaveLength(3));
    await user.click(screen.getByRole("checkbox", { name: "Image 3" }));
    await user.type(screen.getByLabelText("Class"), "polar");
    await user.click(screen.getByRole("button", { name: "Tell: 3 images “polar”" }));
    expect(await screen.findByText(/^3 images told to be “polar”/)).toBeTruthy();
    expect(posted.map(([path, body]) => [path, body.label, body.how, body.by])).toEqual(["c1", "c2", "c4"].map((id) => [`/v1/predictions/${id}/label`, "polar", "assisted", "Ada"]));
    expect(posted.every(([, body]) => body.new === true)).toBe(true);
  });

  it("asks gently: oftener while it is looked at", async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true });
    const asked = open();
    const looks = () => asked.filter((call) => call === "GET /v1/monitor").length;
    await screen.findByRole("heading", { name: "Bears: all well" });
    const first = looks();
    await vi.advanceTimersByTimeAsync(NEAR_MS + 500);
    expect(looks()).toBe(first + 1);
    place.replace("models");
    await vi.advanceTimersByTimeAsync(NEAR_MS + 500);
    const left = looks();
    await vi.advanceTimersByTimeAsync(FAR_MS - 2 * NEAR_MS);
    expect(looks()).toBe(left);
    await vi.advanceTimersByTimeAsync(2 * NEAR_MS);
    expect(looks()).toBe(left + 1);
  });

  it("says so when a model is not watched, the webhook fails or there is no monitor at all", async () => {
    now = { ...monitor(watched({ state: "no-gate", out_of_domain: null, expected_out_of_domain: null, text: "No gate.", progress: { position: 9, behind: 9, caught_up: false, seconds_behind: 60, updated: null, problem: "the store does not answer" } })), alarms_known: false, webhook: { waiting: 2, failed: 0, last_error: "connection refused", last_sent: null } };
    const asked = open();
    expect(await screen.findByRole("heading", { name: "Bears: no gate" })).toBeTruthy();
    expect(screen.getByText("9 predictions behind")).toBeTruthy();
    expect(screen.getByText("the store does not answer")).toBeTruthy();
    expect(screen.getByText(/2 messages wait.*connection refused/)).toBeTruthy();
    expect(screen.getByText(/Those known stay in force/)).toBeTruthy();
    expect(asked.some((call) => call.includes("clusters"))).toBe(false);
    cleanup();
    watch.data = null;
    open((url) => (url.pathname === "/v1/monitor" ? problem(404, "not-found", "") : undefined));
    expect(await screen.findByText("This server does not monitor")).toBeTruthy();
  });

  it("keeps what it knows while the server has a fault, and tries again when told to", async () => {
    let broken = false;
    open((url) => (broken && url.pathname === "/v1/monitor" ? problem(500, "fault", "It broke.") : undefined));
    await screen.findByRole("heading", { name: "Bears: all well" });
    broken = true;
    await userEvent.click(screen.getByRole("button", { name: "Refresh" }));
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("It broke.");
    expect(screen.getByRole("heading", { name: "Bears: all well" })).toBeTruthy();
    broken = false;
    await userEvent.click(within(alert).getByRole("button", { name: "Try again" }));
    await waitFor(() => expect(screen.queryByRole("alert")).toBeNull());
  });

  it("is closed to a key that may only predict, and asks nothing for it", async () => {
    const asked = open((url) => (url.pathname === "/v1/whoami" ? json({ keys_required: true, role: "predict", name: "line 3", version: "1" }) : undefined));
    expect(await screen.findByText("This key may not see the monitor")).toBeTruthy();
    expect(asked.some((call) => call.includes("/v1/monitor"))).toBe(false);
  });
});
