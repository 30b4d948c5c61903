/** One list makes the console's pages: whoever adds a line to it has added a page everywhere. */

import { cleanup, render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "../src/App.svelte";
import { place } from "../src/location.svelte";
import { format, PAGES, pagesOf, parse, START } from "../src/routes";
import { session } from "../src/session.svelte";
import { json, network } from "./fakes";

const files = import.meta.glob("../src/pages/*.svelte");

beforeEach(() => {
  session.whoami = session.models = session.modelsError = null;
  network();
});
afterEach(async () => {
  cleanup();
  await place.close("help");
  vi.unstubAllGlobals();
});

const atDesk = (pages: string[]) => ({
  keys_required: false,
  role: "admin",
  name: null,
  version: "0.3.0",
  desk: { mode: "clean", source: "bears", pages },
});

describe.each(PAGES)("the page $title", (page) => {
  const role = "role" in page ? page.role : "admin";
  const beside = page.at === "desk" ? PAGES.filter(({ at }) => at === "desk") : pagesOf({ role });
  const elsewhere = beside.find((other) => other !== page)!;

  async function openElsewhere() {
    network((url) => (url.pathname === "/v1/whoami" ? json({ keys_required: true, role, name: "ann", version: "0.3.0", desk: null, blind: false }) : undefined));
    if (page.at === "desk") network((url) => (url.pathname === "/v1/whoami" ? json(atDesk(beside.map(({ name }) => name))) : undefined));
    place.replace(elsewhere.name);
    render(App);
    return within(await screen.findByRole("navigation", { name: "Pages" }));
  }

  it("has an address", () => {
    expect(parse(format(page.name)).page).toBe(page);
  });

  it("has an entry in the navigation, which leads to it, and a title", async () => {
    const link = await (await openElsewhere()).findByRole("link", { name: page.title });
    expect(link.getAttribute("href")).toBe(format(page.name));
    expect(link.getAttribute("aria-current")).toBeNull();
    expect(document.title).toBe(`${elsewhere.title} · Drivetrain`);
    await userEvent.click(link);
    await waitFor(() => expect(document.title).toBe(`${page.title} · Drivetrain`));
    expect(link.getAttribute("aria-current")).toBe("page");
    expect(session.announcement).toBe(page.title);
    expect(await within(screen.getByRole("main")).findByRole("heading", { level: 1 })).toBeTruthy();
  });

  it("has a shortcut, which leads to it and stands in the list of keys", async () => {
    await (await openElsewhere()).findByRole("link", { name: page.title });
    const user = userEvent.setup();
    await user.keyboard(`g${page.key}`);
    await waitFor(() => expect(place.route.page).toBe(page));
    await user.keyboard("?");
    const keys = within(await screen.findByRole("dialog", { name: "Keyboard" }));
    expect(keys.getByText(`g ${page.key}`).closest("dt")!.nextElementSibling!.textContent).toContain(page.title);
  });
});

it("has every page, and no two of them share an address, a title or a key", () => {
  expect(Object.keys(files).sort()).toEqual(PAGES.map(({ title }) => `../src/pages/${title}.svelte`).sort());
  for (const what of ["name", "title", "key"] as const) expect(new Set(PAGES.map((page) => page[what])).size).toBe(PAGES.length);
  expect(parse("#/nowhere").page).toBe(START);
});

describe("at a desk", () => {
  it("its own pages are shown, in its order, and an address of a server leads to the first", async () => {
    network((url) => (url.pathname === "/v1/whoami" ? json(atDesk(["duplicates", "clean", "unheard-of"])) : undefined));
    place.replace("history");
    render(App);
    const links = within(await screen.findByRole("navigation", { name: "Pages" }));
    await waitFor(() => expect(links.getAllByRole("link").map((link) => link.textContent)).toEqual(["Duplicates", "Clean"]));
    await waitFor(() => expect(document.title).toBe("Duplicates · Drivetrain"));
    expect(place.route.page.name).toBe("duplicates");
  });

  it("that names no page this console knows, all of a desk are shown", () => {
    expect(pagesOf({ role: "admin", desk: { pages: ["unheard-of"] } }).map(({ at }) => at)).toEqual(PAGES.filter(({ at }) => at === "desk").map(({ at }) => at));
  });

  it("no models are asked for, and no monitor", async () => {
    const asked = network((url) => (url.pathname === "/v1/whoami" ? json(atDesk(["clean", "duplicates"])) : undefined));
    render(App);
    await waitFor(() => expect(document.title).toBe("Clean · Drivetrain"));
    expect(asked.filter((line) => /models|monitor/.test(line))).toEqual([]);
  });
});

describe("while a rollout is live", () => {
  const blind = { keys_required: true, role: "review", name: "ann", version: "0.3.0", desk: null, blind: true };

  it("a reviewer has the review queue and nothing else, and nothing else is asked for", async () => {
    const asked = network((url) => (url.pathname === "/v1/whoami" ? json(blind) : undefined));
    place.replace("history", { id: "a" });
    render(App);
    const links = within(await screen.findByRole("navigation", { name: "Pages" }));
    await waitFor(() => expect(links.getAllByRole("link").map((link) => link.textContent)).toEqual(["Review"]));
    await waitFor(() => expect(document.title).toBe("Review · Drivetrain"));
    await waitFor(() => expect(asked.some((line) => line.includes("/v1/reviews/next"))).toBe(true));
    expect(asked.filter((line) => !/\/v1\/(whoami|reviews)/.test(line))).toEqual([]);
    expect(screen.queryByRole("link", { name: "API" })).toBeNull();
  });

  it("an admin has the rollout and no review, a key for predictions neither", () => {
    expect(pagesOf({ role: "admin" }).map(({ name }) => name)).toEqual(["predict", "models", "history", "monitor", "rollout"]);
    expect(pagesOf({ role: "predict" }).map(({ name }) => name)).toEqual(["predict", "models", "history", "monitor"]);
    expect(pagesOf({ role: "review" }).map(({ name }) => name)).toEqual(["predict", "models", "history", "monitor", "review"]);
  });
});

it("a server of predictions leads from a desk's address to its own start", async () => {
  place.replace("clean");
  render(App);
  await waitFor(() => expect(document.title).toBe(`${START.title} · Drivetrain`));
});
