import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { place, type Kind } from "../src/location.svelte";

const back = (go: () => void) =>
  new Promise<void>((resolve) => {
    window.addEventListener("popstate", () => resolve(), { once: true });
    go();
  });
const query = (text: string) => new URLSearchParams(text);

beforeEach(() => place.replace("history"));
afterEach(async () => {
  for (let top = place.over.at(-1); top; top = place.over.at(-1)) await place.close(top.split("/")[0] as Kind);
});

describe("what lies over a page", () => {
  it("is a step of the browser's history: Back closes it, Forward opens it again", async () => {
    const before = history.length;
    place.open("camera");
    expect(place.has("camera")).toBe(true);
    expect(history.length).toBe(before + 1);
    await back(() => history.back());
    expect(place.has("camera")).toBe(false);
    await back(() => history.forward());
    expect(place.has("camera")).toBe(true);
  });

  it("leaves no step behind when it is closed otherwise, however often that is asked for", async () => {
    place.go("predict");
    await vi.waitFor(() => expect(place.route.page.name).toBe("predict"));
    place.open("help");
    const { length } = history;
    await Promise.all([place.close("help"), place.close("help"), place.close("help")]);
    expect([place.over, place.route.page.name]).toEqual([[], "predict"]);
    place.open("help");
    expect(history.length).toBe(length);
    await place.close("camera");
    expect(place.over).toEqual(["help"]);
  });

  it("takes the place of its own kind, and lies over another", async () => {
    place.open("details/1");
    place.open("details/2");
    expect(place.find("details")).toBe("2");
    place.open("key");
    expect(place.over).toEqual(["details/2", "key"]);
    await back(() => history.back());
    expect(place.over).toEqual(["details/2"]);
    await back(() => history.back());
    expect(place.over).toEqual([]);
    expect(place.find("details")).toBeNull();
  });

  it("can be opened while something else is still closing", async () => {
    place.open("key");
    const closing = place.close("key");
    place.open("help");
    await closing;
    expect(place.over).toEqual(["help"]);
  });

  it("gives the page below the filters that were set over it, but not the entry that was looked at", async () => {
    place.open("filters");
    place.replace("history", query("verdict=review"));
    expect(place.has("filters")).toBe(true);
    await back(() => history.back());
    expect([place.over, location.hash]).toEqual([[], "#/history?verdict=review"]);
    place.open("details/7", query("verdict=review&id=7"));
    expect(location.hash).toBe("#/history?verdict=review&id=7");
    await place.close("details");
    expect(location.hash).toBe("#/history?verdict=review");
  });

  it("is not known to an address from elsewhere", async () => {
    place.open("details/7", query("id=7"));
    history.pushState({ over: ["details/7"], other: true }, "", "#/history?id=9");
    window.dispatchEvent(new PopStateEvent("popstate"));
    expect(place.over).toEqual([]);
    expect(place.route.query.get("id")).toBe("9");
    await back(() => history.back());
    expect(place.over).toEqual(["details/7"]);
  });
});
