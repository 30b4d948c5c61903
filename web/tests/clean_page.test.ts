/** The page that cleans, as a person works with it: what is marked is told at once, and is never lost. */

import { cleanup, render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { tick } from "svelte";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { desk } from "../src/clean/desk.svelte";
import type { Item } from "../src/clean/types";
import { place } from "../src/location.svelte";
import Clean from "../src/pages/Clean.svelte";
import Duplicates from "../src/pages/Duplicates.svelte";
import { session } from "../src/session.svelte";
import { reviewer } from "../src/truths/reviewer.svelte";
import { FakeDesk } from "./desk";
import { network, problem } from "./fakes";

let far: FakeDesk;
let serial = 0;

function begin(n = 6, changes: Partial<Item> = {}) {
  // Names of their own: what a page remembers of one test's items says nothing of another's.
  far = new FakeDesk(`t${(serial += 1)}x`, n, changes);
  return network(far.answer);
}

async function openList() {
  place.replace("clean");
  render(Clean);
  await session.start();
  return within(await screen.findByRole("list", { name: "Pictures" }));
}

const card = async (i: number) => screen.findByRole("button", { name: new RegExp(`^${far.items[i]!.id}\\.jpg`) });
const user = () => userEvent.setup();
const told = () => far.told.map(({ changes }) => changes.map(({ id, to }) => [far.items.findIndex((item) => item.id === id), to]));

beforeEach(() => {
  // jsdom lays nothing out.
  vi.spyOn(HTMLElement.prototype, "clientWidth", "get").mockReturnValue(1_000);
  reviewer.name = "ann";
  session.whoami = null;
  for (const { key } of desk.notes) desk.dismiss(key);
});

afterEach(async () => {
  far.refuse = null;
  desk.sendNow();
  await waitFor(() => expect(desk.unsent).toBe(0));
  await place.close("details");
  cleanup();
  for (const forget of session.whenKeyChanges) forget();
  vi.unstubAllGlobals();
});

it("tells a mark at once, by name and with what was seen, and goes on to the next picture", async () => {
  begin();
  await openList();
  const first = await card(0);
  first.focus();
  await user().keyboard("k");
  await waitFor(() => expect(far.told).toEqual([{ by: "ann", changes: [{ id: far.items[0]!.id, to: "keep", why: "label", how: "assisted", seen: null }] }]));
  expect(first.getAttribute("aria-label")).toContain("kept as “black”");
  await waitFor(() => expect(document.activeElement).toBe(screen.getByRole("button", { name: new RegExp(`^${far.items[1]!.id}`) })));
  await user().keyboard("s");
  await user().keyboard("x");
  await user().keyboard("2");
  await waitFor(() => expect(told()).toEqual([[[0, "keep"]], [[1, { label: "teddy" }]], [[2, "remove"]], [[3, { label: "grizzly" }]]]));
});

it("shows the picture first where a key is pressed before any has the focus, and opens it on Enter", async () => {
  begin();
  await openList();
  await card(0);
  await user().keyboard("k");
  await waitFor(async () => expect(document.activeElement).toBe(await card(0)));
  expect(told()).toEqual([]);
  (await card(0)).blur();
  await user().keyboard("{Enter}");
  await screen.findByText("1 of 6");
});

it("signs marks with the name that the desk was started with where nobody gives one", async () => {
  begin();
  reviewer.name = "";
  await openList();
  expect(screen.getByRole("textbox", { name: "Who is cleaning" }).getAttribute("placeholder")).toBe("keeper");
  (await card(0)).focus();
  await user().keyboard("k");
  await waitFor(() => expect(far.told.map(({ by }) => by)).toEqual(["keeper"]));
});

it("says where nothing is held against the rest that one may stop", async () => {
  begin(3, { reasons: [], suggested: null });
  await openList();
  await user().click(await card(0));
  await screen.findByText(/nor against those that follow. You may stop here/);
});

it("keeps a mark that cannot be sent, says so, and sends it again", async () => {
  begin();
  await openList();
  (await card(0)).focus();
  far.refuse = problem(503, "overloaded", "The disk is full.");
  await user().keyboard("x");
  await screen.findByText(/1 mark not sent yet: The disk is full/);
  expect((await card(0)).getAttribute("aria-label")).toContain("removed; label looks wrong; not kept yet");
  expect(Object.keys(localStorage).some((name) => name.includes("unsent"))).toBe(true);
  far.refuse = null;
  await user().click(screen.getByRole("button", { name: "Send now" }));
  await screen.findByText(/Every mark is kept/);
  expect(told()).toEqual([[[0, "remove"]]]);
  expect(Object.keys(localStorage).some((name) => name.includes("unsent"))).toBe(false);
});

it("does not tell a mark twice whose answer was lost on the way", async () => {
  begin();
  await openList();
  (await card(0)).focus();
  far.refuse = "lost";
  await user().keyboard("k");
  await waitFor(() => expect(far.edits.length).toBe(1));
  far.refuse = null;
  desk.sendNow();
  await waitFor(() => expect(desk.unsent).toBe(0));
  expect(far.told).toEqual([]);
  expect(far.edits.length).toBe(1);
  expect(far.items[0]!.fate).toBe("kept");
  expect(screen.queryByText(/in another tab/)).toBeNull();
});

it("shows a mark that the desk refuses as not made, and says why", async () => {
  begin();
  await openList();
  (await card(0)).focus();
  far.refuse = problem(422, "unprocessable", "“grizzly” is no label of this set.");
  await user().keyboard("2");
  await screen.findByText(/could not be kept: “grizzly” is no label/);
  expect((await card(0)).getAttribute("aria-label")).toContain("“black”, to look at");
});

it("loses no mark when class or filters change, and lists what fits", async () => {
  begin();
  await openList();
  (await card(0)).focus();
  await user().keyboard("k");
  await waitFor(() => expect(far.told.length).toBe(1));
  await user().click(await screen.findByRole("button", { name: /^Kept 1/ }));
  await waitFor(() => expect(within(screen.getByRole("list", { name: "Pictures" })).getAllByRole("button").length).toBe(1));
  expect((await card(0)).getAttribute("aria-label")).toContain("kept");
  await user().click(await screen.findByRole("button", { name: /^To look at 5/ }));
  await waitFor(() => expect(within(screen.getByRole("list", { name: "Pictures" })).getAllByRole("button").length).toBe(5));
  await user().click(screen.getByRole("button", { name: /^teddy 0/ }));
  await screen.findByText("Nothing is left to look at here");
  expect(far.told.length).toBe(1);
});

it("tells in words what somebody else did just before, and takes theirs on request", async () => {
  begin();
  await openList();
  (await card(0)).focus();
  far.before = () => void far.record({ by: "Ada", changes: [{ id: far.items[0]!.id, to: { label: "teddy" }, why: "", how: "assisted", seen: null }] });
  await user().keyboard("k");
  await screen.findByText(/Ada had just changed .*: made it “teddy”. Your mark stands now/);
  await user().click(screen.getByRole("button", { name: "Take Ada's" }));
  await waitFor(() => expect(told().at(-1)).toEqual([[0, { label: "teddy" }]]));
});

it("tells in words that somebody else has overruled a mark, and makes it again on request", async () => {
  begin();
  await openList();
  (await card(0)).focus();
  await user().keyboard("k");
  await waitFor(() => expect(desk.unsent).toBe(0));
  far.record({ by: "Ada", changes: [{ id: far.items[0]!.id, to: "remove", why: "", how: "assisted", seen: null }] });
  await screen.findByText(/Ada changed .* after you: removed it. You had it kept as “black”/);
  expect((await card(0)).getAttribute("aria-label")).toContain("removed");
  await user().click(screen.getByRole("button", { name: "Mine again" }));
  await waitFor(() => expect(told().at(-1)).toEqual([[0, { label: "black" }]]));
});

it("undoes with one key, and says what stands again", async () => {
  begin();
  await openList();
  (await card(0)).focus();
  await user().keyboard("x");
  await waitFor(() => expect(desk.unsent).toBe(0));
  await user().keyboard("{Control>}z{/Control}");
  await screen.findByText(/Undone: .*\.jpg is “black”, to look at again/);
  expect(far.items[0]!.fate).toBe("open");
  await user().keyboard("u");
  await screen.findByText("ann has nothing to undo.");
  expect(screen.queryByText(/in another tab/)).toBeNull();
});

it("shows one picture alone, with what is held against it and beside it, and marks it there", async () => {
  begin();
  await openList();
  await user().click(await card(0));
  await screen.findByText("it looks like teddy");
  await screen.findByText("80.0%");
  expect(screen.getByText("1 of 6")).toBeTruthy();
  expect(screen.getAllByRole("button", { name: /^Put beside it/ }).length).toBe(2);
  await user().click(screen.getByRole("button", { name: /^Keep/ }));
  await screen.findByText("2 of 6");
  await user().keyboard("{ArrowRight}");
  await screen.findByText("3 of 6");
  await user().keyboard("p");
  await screen.findByText("2 of 6");
  for (const key of "kkkkk") {
    await user().keyboard(key);
    await tick();
  }
  await screen.findByText("That was the last one to look at in this list");
  await user().keyboard("{Escape}");
  await screen.findByRole("list", { name: "Pictures" });
  await waitFor(() => expect(far.items.map(({ fate }) => fate)).toEqual(Array(6).fill("kept")));
});

it("finds another label by typing, or takes a new one", async () => {
  begin();
  await openList();
  (await card(0)).focus();
  await user().keyboard("r");
  const box = await screen.findByRole("combobox", { name: /Its class/ });
  expect(within(screen.getByRole("listbox", { name: "Labels" })).getAllByRole("option").map((option) => option.textContent!.trim().split(/\s/)[0])).toEqual(["teddy", "black", "grizzly"]);
  await user().type(box, "gri{Enter}");
  await waitFor(() => expect(told()).toEqual([[[0, { label: "grizzly" }]]]));
  (await card(1)).focus();
  await user().keyboard("r");
  await user().type(await screen.findByRole("combobox", { name: /Its class/ }), "polar");
  expect(within(screen.getByRole("listbox", { name: "Labels" })).getByRole("option").textContent).toContain("New: “polar”");
  await user().keyboard("{Enter}");
  await waitFor(() => expect(told().at(-1)).toEqual([[1, { label: "polar" }]]));
});

it("gives several labels one by one, each with its digit, and stays with the picture", async () => {
  begin(6, { labels: ["black"] });
  far.task = "multi-label";
  await openList();
  await user().click(await card(0));
  await screen.findByText("1 of 6");
  await user().keyboard("3");
  await waitFor(() => expect(told()).toEqual([[[0, { labels: ["black", "teddy"] }]]]));
  await user().keyboard("1");
  await waitFor(() => expect(told().at(-1)).toEqual([[0, { labels: ["teddy"] }]]));
  expect(screen.getByText("1 of 6")).toBeTruthy();
});

it("asks for a number where the labels are numbers, and for nothing else", async () => {
  begin(6, { label: "34", suggested: "52" });
  far.task = "regression";
  await openList();
  (await card(0)).focus();
  await user().keyboard("1");
  await user().keyboard("r");
  const box = await screen.findByRole("textbox", { name: /Right number \(now 34, suggested 52\)/ });
  await user().type(box, "old");
  expect(screen.getByRole("button", { name: "Tell" })).toHaveProperty("disabled", true);
  await user().clear(box);
  await user().type(box, "51.5{Enter}");
  await waitFor(() => expect(told()).toEqual([[[0, { label: "51.5" }]]]));
});

it("marks many at once, as one step", async () => {
  begin();
  await openList();
  await user().click(await screen.findByRole("checkbox", { name: `Select ${far.items[1]!.id}.jpg` }));
  await user().keyboard("{Shift>}");
  const last = await screen.findByRole("checkbox", { name: `Select ${far.items[4]!.id}.jpg` });
  last.dispatchEvent(new MouseEvent("click", { bubbles: true, shiftKey: true }));
  await screen.findByText("4 pictures selected");
  await user().click(within(screen.getByRole("toolbar")).getByRole("button", { name: /^Remove/ }));
  await waitFor(() => expect(told()).toEqual([[[1, "remove"], [2, "remove"], [3, "remove"], [4, "remove"]]]));
  await screen.findByText(/4 pictures removed/);
  expect(screen.queryByText(/selected/)).toBeNull();
  await user().keyboard("{Control>}a{/Control}");
  await screen.findByText("2 pictures selected");
});

it("moves nothing that has been seen when the list is ranked anew, and offers the new order", async () => {
  begin();
  await openList();
  await card(0);
  const before = within(screen.getByRole("list", { name: "Pictures" })).getAllByRole("button").map((button) => button.getAttribute("aria-label"));
  far.items.reverse();
  far.rank();
  const again = await screen.findByRole("button", { name: /^Sort all anew/ });
  expect(within(screen.getByRole("list", { name: "Pictures" })).getAllByRole("button").map((button) => button.getAttribute("aria-label"))).toEqual(before);
  await user().click(again);
  await waitFor(() => expect(within(screen.getByRole("list", { name: "Pictures" })).getAllByRole("button").map((button) => button.getAttribute("aria-label"))).toEqual(before.toReversed()));
});

it("sends what an earlier page could not", async () => {
  begin();
  const id = far.items[2]!.id;
  localStorage.setItem("drivetrain.unsent.bears.gone", JSON.stringify([{ key: "k", source: "bears", by: "ann", changes: [{ id, to: "remove", why: "", how: "assisted", seen: null }], names: [`${id}.jpg`], tried: true }]));
  vi.stubGlobal("navigator", Object.assign(Object.create(navigator), { locks: { request: async (_: string, __: unknown, take: (lock: unknown) => unknown) => take({}), query: async () => ({ held: [] }) } }));
  // As a page that was just loaded.
  (desk as unknown as { outbox: null }).outbox = null;
  await openList();
  await waitFor(() => expect(told()).toEqual([[[2, "remove"]]]));
  expect(localStorage.getItem("drivetrain.unsent.bears.gone")).toBeNull();
});

it("settles copies with one key a group, and all exact ones at once", async () => {
  begin();
  place.replace("duplicates");
  render(Duplicates);
  await session.start();
  await screen.findAllByText(/The same picture: 2 pictures/);
  await user().keyboard("{ArrowRight}a");
  await waitFor(() => expect(told()).toEqual([[[0, "remove"]]]));
  await user().keyboard("k");
  await waitFor(() => expect(told().at(-1)).toEqual([[2, "keep"], [3, "keep"]]));
  await screen.findByText(/of 3 groups to settle/);
  expect(screen.queryByRole("button", { name: /^Accept all/ })).toBeNull();
  await user().keyboard("u");
  await user().click(await screen.findByRole("button", { name: "Accept all 1 exact ones" }));
  await user().click(within(await screen.findByRole("dialog")).getByRole("button", { name: "Remove 1 copy" }));
  await waitFor(() => expect(told().at(-1)).toEqual([[3, "remove"]]));
});
