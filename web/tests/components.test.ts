import { cleanup, fireEvent, render, screen, waitFor, within } from "@testing-library/svelte";
import userEvent from "@testing-library/user-event";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import App from "../src/App.svelte";
import FilterForm from "../src/history/FilterForm.svelte";
import { empty } from "../src/history/filters";
import { place, type Kind } from "../src/location.svelte";
import Markdown from "../src/models/Markdown.svelte";
import { predict } from "../src/predict/state.svelte";
import { session } from "../src/session.svelte";
import Bars from "../src/ui/Bars.svelte";
import { entry, json, model, network, prediction, predictions, problem } from "./fakes";

function open(hash: string) {
  // Not by setting location.hash: jsdom goes there a little later, which may be within the next test.
  place.replace(...([hash.slice(2).split("?")[0], new URLSearchParams(hash.split("?")[1] ?? "")] as Parameters<typeof place.replace>));
  return render(App);
}

beforeEach(() => {
  session.key = null;
  session.whoami = null;
  session.models = null;
  session.modelsError = null;
  session.reachable = true;
  session.announcement = "";
});
afterEach(async () => {
  cleanup();
  predict.clear();
  for (let top = place.over.at(-1); top; top = place.over.at(-1)) await place.close(top.split("/")[0] as Kind);
  vi.unstubAllGlobals();
});

const pictures = (...names: string[]) => names.map((name) => new File(["x"], name, { type: "image/jpeg" }));

describe("Predict", () => {
  it("asks about chosen images, shows what the answer means and announces it", async () => {
    network();
    open("#/predict");
    const user = userEvent.setup();
    await user.upload(await screen.findByLabelText("Images"), pictures("a.jpg", "b.jpg"));
    expect(await screen.findAllByText("accept", { selector: ".badge" })).toHaveLength(2);
    await waitFor(() => expect(session.announcement).toBe("2 images answered: 2 accept"));

    await user.click(screen.getByRole("button", { name: /grizzly.*a\.jpg/ }));
    const details = screen.getByRole("region", { name: "a.jpg" });
    expect(within(details).getByText(/may answer alone: its confidence of 97.3% reaches 85.0%/)).toBeTruthy();
    expect(await within(details).findByText("90% alike")).toBeTruthy();
  });

  it("works with the keyboard: j, k and Esc", async () => {
    network();
    open("#/predict");
    const user = userEvent.setup();
    await user.upload(await screen.findByLabelText("Images"), pictures("a.jpg", "b.jpg"));
    await screen.findAllByText("accept", { selector: ".badge" });
    (document.activeElement as HTMLElement | null)?.blur();
    await user.keyboard("j");
    expect(screen.getByRole("region", { name: "a.jpg" })).toBeTruthy();
    await user.keyboard("j");
    expect(screen.getByRole("region", { name: "b.jpg" })).toBeTruthy();
    await user.keyboard("k");
    expect(screen.getByRole("region", { name: "a.jpg" })).toBeTruthy();
    await user.keyboard("{Escape}");
    await waitFor(() => expect(screen.queryByRole("region", { name: "a.jpg" })).toBeNull());
    expect((document.activeElement as HTMLElement).dataset.item).toBe(String(predict.queue.items[0]!.id));
  });

  it("takes pasted images", async () => {
    network();
    open("#/predict");
    await screen.findByLabelText("Images");
    await fireEvent.paste(window, { clipboardData: { files: pictures("pasted.png") } });
    expect(await screen.findByText("pasted.png")).toBeTruthy();
  });

  it("shows what went wrong with one image and asks again", async () => {
    let broken = true;
    network((url) => (url.pathname === "/v1/predict" && broken ? problem(500, "fault", "It broke.") : undefined));
    open("#/predict");
    const user = userEvent.setup();
    await user.upload(await screen.findByLabelText("Images"), pictures("a.jpg"));
    expect(await screen.findByText(/It broke/)).toBeTruthy();
    broken = false;
    await user.click(screen.getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("accept", { selector: ".badge" })).toBeTruthy();
  });

  it("names the one picture the server will not take, and answers the others", async () => {
    network((url, init) => {
      if (url.pathname !== "/v1/predict") return undefined;
      const names = (init.body as FormData).getAll("images").map((file) => (file as File).name);
      const place = names.indexOf("huge.jpg");
      if (place < 0) return undefined;
      const faults = [{ loc: ["images", place], msg: "56.25 million pixels (8660×6495); at most 50 million: send it smaller" }];
      return json({ title: "Unusable", status: 422, detail: `image ${place + 1} (huge.jpg) has 56.25 million pixels`, errors: faults }, 422);
    });
    open("#/predict");
    await userEvent.upload(await screen.findByLabelText("Images"), pictures("a.jpg", "huge.jpg", "c.jpg"));
    const card = (await screen.findByText("Refused")).closest("li")!;
    expect(within(card).getByText(/^Not taken: 56.25 million pixels .*send it smaller$/)).toBeTruthy();
    expect(within(card).queryByRole("button", { name: "Try again" })).toBeNull();
    expect(await screen.findAllByText("accept", { selector: ".badge" })).toHaveLength(2);
    expect(screen.queryByRole("button", { name: /Try the failed again/ })).toBeNull();
    await userEvent.click(within(card).getByRole("button", { name: "Remove huge.jpg" }));
    expect(screen.queryByText("Refused")).toBeNull();
  });

  it("tells a suggestion from an answer, in words and to screen readers", async () => {
    network((url, init) => {
      if (url.pathname !== "/v1/predict") return undefined;
      const said = { "r.jpg": { verdict: "review" as const, confidence: 0.61, reasons: [{ code: "low-confidence", text: "its confidence, 0.61, is below 0.9" }] }, "u.jpg": { verdict: "unreadable" as const, label: null, probs: {}, error: "truncated" } };
      const names = (init.body as FormData).getAll("images").map((file) => (file as File).name) as (keyof typeof said)[];
      return json(predictions(names.map((path) => prediction({ path, id: path, ...said[path] }))));
    });
    open("#/predict");
    await userEvent.upload(await screen.findByLabelText("Images"), pictures("a.jpg", "r.jpg", "u.jpg"));
    const review = await screen.findByRole("button", { name: /^maybe grizzly *review *: a person should look *61.0%.*its confidence, 0\.61, is below 0\.9.*r\.jpg/ });
    expect(review.querySelector(".suggestion")).toBeTruthy();
    expect(screen.getByRole("button", { name: /^grizzly *accept *97.3%.*a\.jpg/ }).querySelector(".suggestion")).toBeNull();
    expect(screen.getByRole("button", { name: /^Could not be read *unreadable.*u\.jpg/ })).toBeTruthy();
    await userEvent.click(review);
    expect(screen.getByText("Details of r.jpg: maybe grizzly, a person should look, review")).toBeTruthy();
  });

  it("shows an image unlike those trained on as one without an answer, and the nearest of them", async () => {
    const outside = { verdict: "out_of_domain" as const, p_in_domain: 0.004, reasons: [{ code: "out-of-domain", text: "unlike anything it was trained on" }] };
    network((url) => (url.pathname === "/v1/predict" ? json(predictions([prediction(), prediction({ path: "o.jpg", ...outside })])) : undefined));
    open("#/predict");
    const user = userEvent.setup();
    await user.upload(await screen.findByLabelText("Images"), pictures("a.jpg", "o.jpg"));
    const card = await screen.findByRole("button", { name: /^No answer *unlike the training images *: the answer says nothing *unlike anything it was trained on *o\.jpg/ });
    await waitFor(() => expect(session.announcement).toBe("2 images answered: 1 accept, 1 unlike the training images"));
    await user.click(screen.getByRole("button", { name: "unlike the training images 1" }));
    expect(screen.queryByRole("button", { name: /a\.jpg/ })).toBeNull();
    await user.click(card);
    const details = within(screen.getByRole("region", { name: "o.jpg" }));
    expect(details.getByText("In-domain p-value: 0.004.")).toBeTruthy();
    expect(details.getByRole("heading", { name: "Nearest training images" })).toBeTruthy();
    expect(await details.findByText("90% alike")).toBeTruthy();
    expect(screen.getByText("Details of o.jpg: No answer, unlike the training images")).toBeTruthy();
  });

  it("shows results again after a reload, asks what the server still has, and names what was not answered", async () => {
    const kept = (id: number) => ({ id, name: `${id}.jpg`, size: 9, state: "done", thumbnail: "data:image/jpeg;base64,AA", error: null, refused: false, prediction: prediction({ id: `p${id}` }), answer: predictions([]) });
    for (const id of [4, 5]) sessionStorage.setItem(`drivetrain.results.${id}`, JSON.stringify(kept(id)));
    sessionStorage.setItem("drivetrain.results.open", '[[6,"late.jpg",7]]');
    const asked = network((url) => (url.pathname === "/v1/predictions/p5" ? json(entry("p5", { input: "/v1/inputs/5" })) : undefined));
    // As a page that is loaded has it; the one of the other tests was loaded before.
    predict.restore();
    open("#/predict");
    expect(await screen.findAllByText("grizzly", { selector: ".answer" })).toHaveLength(2);
    expect(await screen.findByText("The server no longer has this answer.")).toBeTruthy();
    expect(within(screen.getByText("Not answered").closest("li")!).getByText("Choose this picture again.")).toBeTruthy();
    expect(screen.getByText("1 picture not answered")).toBeTruthy();
    expect(asked.filter((call) => call.startsWith("GET /v1/predictions/")).sort()).toEqual(["GET /v1/predictions/p4", "GET /v1/predictions/p5"]);
    const user = userEvent.setup();
    await user.click(screen.getByRole("button", { name: /5\.jpg/ }));
    expect(await screen.findByText("90% alike")).toBeTruthy();
    // What comes now is listed after it, and clearing leaves nothing.
    await user.upload(screen.getByLabelText("Images"), pictures("new.jpg"));
    await screen.findByText("new.jpg");
    expect(predict.queue.items.map((item) => item.name)).toEqual(["4.jpg", "5.jpg", "late.jpg", "new.jpg"]);
    await user.click(screen.getByRole("button", { name: "Clear" }));
    expect(Object.keys(sessionStorage).filter((key) => key.startsWith("drivetrain.results"))).toEqual([]);
    await waitFor(() => expect(place.over).toEqual([]));
  });

  it("keeps no answer for another key", async () => {
    network((url) => (url.pathname === "/v1/whoami" ? json({ keys_required: true, role: "review", name: "one", version: "1" }) : undefined));
    await session.enter("dt_one");
    open("#/predict");
    const user = userEvent.setup();
    await user.upload(await screen.findByLabelText("Images"), pictures("a.jpg"));
    await screen.findByText("accept", { selector: ".badge" });
    expect(Object.keys(sessionStorage).sort()).toEqual(["drivetrain.key", "drivetrain.results.1", "drivetrain.seen"].map((key) => key.replace("1", String(predict.queue.items[0]!.id))));
    await session.enter("dt_one");
    expect(predict.queue.items).toHaveLength(1);
    await session.enter("dt_two");
    expect(await screen.findByText("1 result taken off this page")).toBeTruthy();
    expect(predict.queue.items).toEqual([]);
    expect(Object.keys(sessionStorage)).toEqual(["drivetrain.key"]);
  });

  it("closes details and dialogs by Back, and keeps the results", async () => {
    network();
    open("#/predict");
    const user = userEvent.setup();
    await user.upload(await screen.findByLabelText("Images"), pictures("a.jpg"));
    await user.click(await screen.findByRole("button", { name: /grizzly.*a\.jpg/ }));
    expect(screen.getByRole("region", { name: "a.jpg" })).toBeTruthy();
    history.back();
    await waitFor(() => expect(screen.queryByRole("region", { name: "a.jpg" })).toBeNull());
    expect(screen.getByRole("button", { name: /grizzly.*a\.jpg/ })).toBeTruthy();
    await user.click(screen.getByRole("button", { name: "Camera" }));
    expect(screen.getByRole("heading", { name: "Camera" })).toBeTruthy();
    history.back();
    await waitFor(() => expect(screen.queryByRole("heading", { name: "Camera" })).toBeNull());
    history.forward();
    expect(await screen.findByRole("heading", { name: "Camera" })).toBeTruthy();
    // Forward to what is no longer on the list leads nowhere.
    await user.click(screen.getAllByRole("button", { name: "Close" })[0]!);
    await waitFor(() => expect(place.over).toEqual([]));
  });

  it("waits visibly when the server is busy, and can be cancelled", async () => {
    network((url) => (url.pathname === "/v1/predict" ? problem(429, "too-many-requests", "", { "Retry-After": "30" }) : undefined));
    open("#/predict");
    const user = userEvent.setup();
    await user.upload(await screen.findByLabelText("Images"), pictures("a.jpg"));
    expect(await screen.findByText(/takes no more images for a moment/)).toBeTruthy();
    expect(screen.getByText(/in (30|31) s/)).toBeTruthy();
    await user.click(screen.getByRole("button", { name: /Cancel the rest/ }));
    expect(await screen.findByText("Cancelled")).toBeTruthy();
    expect(screen.queryByText(/takes no more images/)).toBeNull();
  });
});

describe("Models", () => {
  it("shows figures, the rule and a refused version", async () => {
    network((url) => (url.pathname === "/v1/models" ? json({ models: [model({ problem: "the golden replay differs" })] }) : undefined));
    open("#/models");
    expect(await screen.findByRole("heading", { name: "Bears" })).toBeTruthy();
    expect(screen.getByRole("img", { name: "96.2%, between 94.8% and 97.2%" })).toBeTruthy();
    expect(screen.getByText("A newer version was refused")).toBeTruthy();
    expect(screen.getByText("the golden replay differs")).toBeTruthy();
    expect(screen.getByText(/from confidence 0.85 on/)).toBeTruthy();
  });

  it("says what to do when there are none, and tries again after an error", async () => {
    let broken = true;
    network((url) => (url.pathname === "/v1/models" ? (broken ? problem(500, "fault", "It broke.") : json({ models: [] })) : undefined));
    open("#/models");
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("It broke.");
    broken = false;
    await userEvent.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("No model is served")).toBeTruthy();
  });

  it("a card's text stays text", () => {
    const { container } = render(Markdown, { text: '---\na: b\n---\n# Title\n\n<img src=x onerror=alert(1)> **bold** [bad](javascript:alert(1)) [good](https://example.org) `a<b`\n\n| a | b |\n|---|---|\n| 1 | 2 |\n' });
    expect(container.querySelector("img, script")).toBeNull();
    expect(container.textContent).toContain("<img src=x onerror=alert(1)>");
    expect(container.querySelector("strong")!.textContent).toBe("bold");
    expect([...container.querySelectorAll("a")].map((a) => a.getAttribute("href"))).toEqual(["https://example.org"]);
    expect(container.querySelector("code")!.textContent).toBe("a<b");
    expect(container.querySelectorAll("td").length).toBe(2);
    expect(container.textContent).not.toContain("a: b");
  });
});

describe("History", () => {
  it("steps through entries with the keyboard and keeps the choice in the address", async () => {
    network();
    open("#/history");
    await screen.findByText("a.jpg");
    const user = userEvent.setup();
    await user.keyboard("jj");
    await waitFor(() => expect(location.hash).toBe("#/history?id=b"));
    expect(await screen.findByRole("region", { name: "b.jpg" })).toBeTruthy();
    await user.keyboard("{ArrowUp}");
    await waitFor(() => expect(location.hash).toBe("#/history?id=a"));
    await user.keyboard("{Escape}");
    await waitFor(() => expect(location.hash).toBe("#/history"));
    await user.keyboard("/");
    expect(document.activeElement).toBe(screen.getByLabelText("Label"));
    await user.keyboard("j?");
    expect(screen.queryByRole("dialog")).toBeNull();
  });

  it("asks once for a list, and with the filters of the address", async () => {
    const asked = network();
    open("#/history?verdict=review&site=Katmai");
    await screen.findByText("a.jpg");
    const lists = asked.filter((call) => call.startsWith("GET /v1/predictions?"));
    expect(lists).toEqual(["GET /v1/predictions?limit=40&verdict=review&site=Katmai"]);
  });

  it("opens what a link names, wherever it lies in the list", async () => {
    network((url) => (url.pathname === "/v1/predictions/far" ? json(entry("far")) : undefined));
    open("#/history?id=far");
    expect(await screen.findByRole("region", { name: "far.jpg" })).toBeTruthy();
  });

  it("tells nothing found from nothing asked yet", async () => {
    const none = () => json({ predictions: [], next: null, searched_to: null });
    network((url) => (url.pathname === "/v1/predictions" ? none() : undefined));
    open("#/history?label=unicorn");
    await screen.findByText("Nothing matches these filters");
    await userEvent.click(screen.getAllByRole("button", { name: "Clear the filters" })[0]!);
    expect(await screen.findByText("Nothing has been asked yet")).toBeTruthy();
  });

  it("is closed to a key that may only predict", async () => {
    const asked = network((url) => (url.pathname === "/v1/whoami" ? json({ keys_required: true, role: "predict", name: "line 3", version: "1" }) : undefined));
    open("#/history");
    expect(await screen.findByText("This key may not see the history")).toBeTruthy();
    await waitFor(() => expect(asked.some((call) => call.includes("/v1/models"))).toBe(true));
  });

  it("does not search any more after the reader has left", async () => {
    vi.useFakeTimers();
    try {
      const onchange = vi.fn();
      const { unmount } = render(FilterForm, { filters: empty(), models: [], onchange });
      await fireEvent.input(screen.getByLabelText("Site"), { target: { value: "K" } });
      unmount();
      vi.advanceTimersByTime(1000);
      expect(onchange).not.toHaveBeenCalled();
    } finally {
      vi.useRealTimers();
    }
  });

  it("waits for the end of typing before it searches", async () => {
    vi.useFakeTimers();
    try {
      const onchange = vi.fn();
      render(FilterForm, { filters: empty(), models: [model()], onchange });
      const site = screen.getByLabelText("Site");
      for (const value of ["K", "Ka", "Kat"]) {
        await fireEvent.input(site, { target: { value } });
        vi.advanceTimersByTime(200);
      }
      expect(onchange).not.toHaveBeenCalled();
      // Another filter does not lose what is still being typed.
      await fireEvent.change(screen.getByLabelText("Verdict"), { target: { value: "review" } });
      vi.advanceTimersByTime(1000);
      expect(onchange).toHaveBeenCalledTimes(1);
      expect(onchange.mock.calls[0]![0]).toMatchObject({ site: "Kat", verdict: "review" });
    } finally {
      vi.useRealTimers();
    }
  });
});

describe("keys and connection", () => {
  it("asks for a key, refuses a wrong one, keeps a right one for the tab", async () => {
    network((url, init) => {
      if (url.pathname !== "/v1/whoami") return undefined;
      const key = new Headers(init.headers).get("Authorization");
      return json({ keys_required: true, role: key === "Bearer dt_good" ? "review" : null, name: null, version: "1" });
    });
    open("#/predict");
    const user = userEvent.setup();
    const field = await screen.findByLabelText("Your key");
    await user.type(field, "dt_bad{Enter}");
    expect(await screen.findByText(/does not know this key/)).toBeTruthy();
    expect(sessionStorage.getItem("drivetrain.key")).toBeNull();
    await user.clear(field);
    await user.type(field, "dt_good{Enter}");
    await waitFor(() => expect(screen.queryByLabelText("Your key")).toBeNull());
    expect(sessionStorage.getItem("drivetrain.key")).toBe("dt_good");
    expect(await screen.findByLabelText("Images")).toBeTruthy();
  });

  it("says when the server is gone and comes back by itself", async () => {
    let gone = true;
    network(() => {
      if (gone) throw new TypeError("Failed to fetch");
      return undefined;
    });
    open("#/models");
    expect(await screen.findByText(/The server does not answer\./, { selector: ".banner *" })).toBeTruthy();
    gone = false;
    expect(await screen.findByRole("heading", { name: "Bears" }, { timeout: 5000 })).toBeTruthy();
    expect(session.reachable).toBe(true);
  });

  it("says so when the server cannot even tell who asks, and tries again when told to", async () => {
    let broken = true;
    network((url) => (url.pathname === "/v1/whoami" && broken ? problem(500, "fault", "It broke.") : undefined));
    open("#/history");
    const alert = await screen.findByRole("alert");
    expect(alert.textContent).toContain("It broke.");
    broken = false;
    await userEvent.click(within(alert).getByRole("button", { name: "Try again" }));
    expect(await screen.findByText("a.jpg")).toBeTruthy();
  });

  it("leads from page to page with g and a letter, and lists its keys", async () => {
    network();
    open("#/predict");
    await screen.findByLabelText("Images");
    const user = userEvent.setup();
    await user.keyboard("gm");
    expect(await screen.findByRole("heading", { name: "Models" })).toBeTruthy();
    expect(document.activeElement).toBe(screen.getByRole("main"));
    expect(document.title).toBe("Models · Drivetrain");
    await user.keyboard("?");
    expect(screen.getByRole("heading", { name: "Keyboard" })).toBeTruthy();
  });
});

describe("bars", () => {
  it("show five, and all when asked", async () => {
    render(Bars, { probs: Object.fromEntries(Array.from({ length: 9 }, (_, i) => [`label ${i}`, i / 36])) });
    expect(screen.getAllByRole("listitem")).toHaveLength(5);
    expect(screen.getAllByRole("listitem")[0]!.textContent).toContain("label 8");
    await userEvent.click(screen.getByRole("button", { name: "Show all 9" }));
    expect(screen.getAllByRole("listitem")).toHaveLength(9);
  });
});
