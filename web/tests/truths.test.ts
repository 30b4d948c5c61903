import { cleanup, render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import type { Truth } from "../src/api/types";
import App from "../src/App.svelte";
import { place } from "../src/location.svelte";
import { session } from "../src/session.svelte";
import { reviewer } from "../src/truths/reviewer.svelte";
import { identifier } from "../src/truths/calls";
import { agrees, EMPTY, fieldOf, read, telling, told, unknownTo } from "../src/truths/truth";
import { entry, json, model, network, prediction, problem } from "./fakes";

const numbers = prediction({ label: null, probs: {}, values: { age: { value: 31, low: 25, high: 37 } } });

describe("what can be told", () => {
  it("follows from the model's kind, or from what it said", () => {
    expect(fieldOf(prediction(), model())).toEqual({ kind: "label", choices: ["black", "grizzly", "teddy"], open: true });
    expect(fieldOf(prediction(), model({ task: "ordinal" }))).toMatchObject({ kind: "label", open: false });
    expect(fieldOf(prediction({ label: null }), model({ task: "multi-label" }))).toMatchObject({ kind: "labels" });
    expect(fieldOf(numbers, model({ task: "regression", outputs: ["age"] }))).toEqual({ kind: "values", names: ["age"] });
    expect(fieldOf(prediction(), null)).toMatchObject({ kind: "label", choices: ["black", "grizzly", "teddy"] });
    expect(fieldOf(prediction({ label: null }), null)).toMatchObject({ kind: "labels" });
    expect(fieldOf(numbers, null)).toEqual({ kind: "values", names: ["age"] });
    expect(fieldOf(prediction({ verdict: "unreadable" }), model())).toBeNull();
  });

  it("is nothing until it is whole", () => {
    const label = fieldOf(prediction(), model())!;
    expect(telling(label, EMPTY)).toBeNull();
    expect(telling(label, { ...EMPTY, label: "black" })).toEqual({ label: "black" });
    expect(telling(label, { ...EMPTY, label: "black", other: " polar " })).toEqual({ label: "polar" });
    expect(telling({ kind: "label", choices: ["low", "high"], open: false }, { ...EMPTY, other: "higher" })).toBeNull();
    const labels = { kind: "labels" as const, choices: ["disc", "square"], open: true };
    expect(telling(labels, EMPTY)).toEqual({ labels: [] });
    expect(telling(labels, { ...EMPTY, labels: ["disc"], other: "star; disc;" })).toEqual({ labels: ["disc", "star"] });
    const values = { kind: "values" as const, names: ["x", "y"] };
    expect(telling(values, { ...EMPTY, values: { x: "1" } })).toBeNull();
    expect(telling(values, { ...EMPTY, values: { x: "1", y: "-2,5" } })).toEqual({ values: { x: 1, y: -2.5 } });
  });

  it("takes numbers as people type them", () => {
    expect([read("3"), read(" 1,5 "), read("-0.25"), read("1e3")]).toEqual([3, 1.5, -0.25, 1000]);
    expect([read(""), read("  "), read("x"), read("1,000,000"), read("Infinity")]).toEqual([null, null, null, null, null]);
  });

  it("reads in one line, knows new classes, and is compared with the model's answer", () => {
    expect([told({ label: "black" }), told({ labels: [] }), told({ labels: ["a", "b"] }), told({ values: { age: 31 } })]).toEqual(["black", "none of the labels", "a, b", "age 31"]);
    expect(unknownTo(fieldOf(prediction(), model())!, { label: "polar" })).toEqual(["polar"]);
    expect([agrees(prediction(), { label: "grizzly" }), agrees(prediction(), { label: "black" })]).toEqual([true, false]);
    expect(agrees(prediction({ label: null, labels: ["b", "a"] }), { labels: ["a", "b"] })).toBe(true);
    expect([agrees(numbers, { values: { age: 26 } }), agrees(numbers, { values: { age: 40 } }), agrees(numbers, { values: { size: 1 } })]).toEqual([true, false, null]);
  });
});

it("identifiers sort by time and differ", () => {
  expect(identifier(1_795_000_000_000) < identifier(1_795_000_000_001)).toBe(true);
  expect(identifier(1_795_000_000_000)).not.toBe(identifier(1_795_000_000_000));
  expect(identifier(0)).toMatch(/^0{12}7[0-9a-f]{3}8[0-9a-f]{15}$/);
});

describe("the field in the details", () => {
  const truth = (prediction_id: string, changes: Partial<Truth> = {}): Truth => ({
    ...{ id: "0", prediction_id, at: "2026-11-20T18:13:30Z", by: "Grace", how: "blind", label: "black", labels: null, values: {}, note: null },
    ...changes,
  });
  let stored: Truth[] = [];
  let sent: Record<string, unknown>[] = [];
  let ids: string[] = [];

  beforeEach(() => {
    session.key = session.whoami = session.models = session.modelsError = null;
    session.announcement = "";
    stored = [];
    sent = [];
    ids = [];
    reviewer.forget();
    reviewer.name = "";
    reviewer.blind = false;
  });
  afterEach(async () => {
    cleanup();
    while (place.has("details")) await place.close("details");
    vi.unstubAllGlobals();
  });

  function open(query = "") {
    network((url, init) => {
      const [, id, kind] = /^\/v1\/predictions\/(\w+)\/(labels?)$/.exec(url.pathname) ?? [];
      if (url.pathname === "/v1/predictions") return json({ predictions: ["a", "b", "c"].map((one) => entry(one, { input: `/v1/inputs/${one}`, truths: stored.filter((told) => told.prediction_id === one) })), next: null, searched_to: null });
      if (kind === "labels") return json({ truths: stored.filter((truth) => truth.prediction_id === id).reverse() });
      if (kind !== "label") return undefined;
      const body = JSON.parse(init.body as string);
      const { id: own, new: fresh, ...rest } = body;
      ids.push(own);
      sent.push(fresh ? { ...rest, new: true } : rest);
      const truth = { id: own, prediction_id: id!, at: "2026-11-21T18:13:30Z", label: null, labels: null, values: {}, note: null, ...rest };
      stored = [truth, ...stored];
      return json(truth);
    });
    place.replace("history", new URLSearchParams(query));
    render(App);
    return userEvent.setup();
  }

  it("is told with a digit and Enter, and what was told before stays", async () => {
    stored = [truth("a", { note: "only the back is seen" })];
    const user = open("id=a");
    const details = within(await screen.findByRole("region", { name: "a.jpg" }));
    expect(await details.findByText("only the back is seen")).toBeTruthy();
    expect(details.getByText("the model differs")).toBeTruthy();
    await user.type(await details.findByLabelText("Your name"), "Ada");
    (document.activeElement as HTMLElement).blur();
    await user.keyboard("2");
    expect((details.getByRole("radio", { name: /grizzly/ }) as HTMLInputElement).checked).toBe(true);
    await user.keyboard("{Enter}");
    expect(await details.findByText("Told: grizzly, assisted.")).toBeTruthy();
    expect(sent).toEqual([{ label: "grizzly", how: "assisted", by: "Ada" }]);
    expect(within(details.getByRole("list", { name: "Told so far" })).getAllByRole("listitem").map((item) => item.querySelector("b")!.textContent)).toEqual(["grizzly", "black"]);
    expect(localStorage.getItem("drivetrain.reviewer")).toBe("Ada");
    await user.click(details.getByRole("button", { name: "Tell another" }));
    await user.type(details.getByLabelText("Another class"), "polar");
    expect(details.getByText(/“polar”: a new class/)).toBeTruthy();
    await user.click(details.getByRole("button", { name: "Add a note" }));
    await user.type(details.getByLabelText("Note"), "white");
    await user.click(details.getByRole("button", { name: "Tell: polar" }));
    await waitFor(() => expect(sent[1]).toEqual({ label: "polar", how: "assisted", by: "Ada", note: "white", new: true }));
    expect(new Set(ids).size).toBe(2);
  });

  it("hides everything that gives the answer away until it is told, and then counts as blind", async () => {
    stored = [truth("b")];
    reviewer.name = "Ada";
    const user = open();
    await user.click(await screen.findByLabelText(/Hide the model's answers/));
    expect(screen.getAllByText("answer hidden")).toHaveLength(3);
    await user.click(screen.getByText("b.jpg"));
    const details = within(await screen.findByRole("region", { name: "b.jpg" }));
    expect(details.getByText(/hidden until you have told yours/)).toBeTruthy();
    const main = screen.getByRole("main");
    for (const word of ["97.3%", "Grace", "told:", "alike", "Probabilities"]) expect(main.textContent).not.toContain(word);
    expect(main.querySelector(".badge")).toBeNull();
    await user.keyboard("1{Enter}");
    expect(await details.findByText("Told: black, blind.")).toBeTruthy();
    expect(sent).toEqual([{ label: "black", how: "blind", by: "Ada" }]);
    expect(details.getByText("Grace", { exact: false })).toBeTruthy();
    expect(await details.findByText("90% alike")).toBeTruthy();
    expect(screen.getAllByText("answer hidden")).toHaveLength(2);
    // The list knows it too, and that the model differs.
    expect(screen.getByText("told: black, of 2", { exact: false }).className).toContain("differs");
  });

  it("is not hidden from whoever told it before", async () => {
    stored = [truth("c")];
    reviewer.name = "Grace";
    reviewer.blind = true;
    open();
    expect(await screen.findByText("told: black", { exact: false })).toBeTruthy();
    expect(screen.getAllByText("answer hidden")).toHaveLength(2);
  });

  it("does not count as blind once the answer has been seen, here or before", async () => {
    reviewer.name = "Ada";
    const user = open("id=a");
    await screen.findByRole("region", { name: "a.jpg" });
    await user.click(screen.getByLabelText(/Hide the model's answers/));
    const details = within(screen.getByRole("region", { name: "a.jpg" }));
    expect(await details.findByText("assisted", { selector: "b" })).toBeTruthy();
    await user.keyboard("j");
    const next = within(await screen.findByRole("region", { name: "b.jpg" }));
    expect(next.getByText("blind", { selector: "b" })).toBeTruthy();
    await user.click(next.getByRole("button", { name: "Show it now" }));
    expect(next.getByText("assisted", { selector: "b" })).toBeTruthy();
    expect(next.getByText("Probabilities")).toBeTruthy();
  });

  it("does not count as blind in a list filtered by the model's label", async () => {
    reviewer.name = "Ada";
    reviewer.blind = true;
    open("label=grizzly&id=a");
    const details = within(await screen.findByRole("region", { name: "a.jpg" }));
    expect(await details.findByText(/filtered by label/)).toBeTruthy();
    expect(details.getByText("assisted", { selector: "b" })).toBeTruthy();
  });

  it("keeps what was chosen when the server refuses it", async () => {
    reviewer.name = "Ada";
    const user = open("id=a");
    const details = within(await screen.findByRole("region", { name: "a.jpg" }));
    await user.click(await details.findByRole("radio", { name: /teddy/ }));
    const refused: string[] = [];
    network((url, init) => {
      if (!url.pathname.endsWith("/label")) return undefined;
      refused.push(JSON.parse(init.body as string).id);
      return problem(422, "unprocessable", "The label is not one of this model's.");
    });
    await user.click(details.getByRole("button", { name: "Tell: teddy" }));
    expect(await details.findByText(/not one of this model's/)).toBeTruthy();
    expect((details.getByRole("radio", { name: /teddy/ }) as HTMLInputElement).checked).toBe(true);
    // Sent once more it is the same answer: the server may have stored it.
    await user.click(details.getByRole("button", { name: "Tell: teddy" }));
    await waitFor(() => expect(refused).toHaveLength(2));
    expect(refused[0]).toBe(refused[1]);
    expect(refused[0]).toMatch(/^[0-9a-f]{32}$/);
  });
});
