import { describe, expect, it } from "vitest";
import { fromQuery, isActive, toQuery, toServer } from "../src/history/filters";
import { step, stepped } from "../src/keyboard";
import { safeHref } from "../src/models/markdown";
import { axis, fractionAxis, plot } from "../src/models/interval";
import { prepared } from "../src/models/report";
import { cell, toCsv, toJson } from "../src/predict/export";
import { dropped, sift } from "../src/predict/files";
import { mixed } from "../src/predict/samples";
import { format, parse } from "../src/routes";
import { verdict } from "../src/verdicts";
import { prediction } from "./fakes";

describe("routes", () => {
  it("lead to a page with its query, and to the first from anywhere else", () => {
    expect(parse("#/history?verdict=review&id=1").page.name).toBe("history");
    expect(parse("#/history?verdict=review&id=1").query.get("id")).toBe("1");
    expect(parse("").page.name).toBe("predict");
    expect(parse("#/<script>").page.name).toBe("predict");
    expect(format("history", { label: "a&b" })).toBe("#/history?label=a%26b");
    expect(parse(format("history", { label: "a&b?c" })).query.get("label")).toBe("a&b?c");
  });
});

describe("filters", () => {
  it("come back from the address as they went", () => {
    const query = "model=bears&verdict=review&label=sun+bear&site=x&camera=y&group=z&from=2026-11-01&to=2026-11-02&request_id=r";
    const filters = fromQuery(new URLSearchParams(query));
    expect(toQuery(filters, "7").toString()).toBe("model=bears&verdict=review&label=sun+bear&site=x&camera=y&group=z&from=2026-11-01&to=2026-11-02&request_id=r&id=7");
    expect(isActive(filters)).toBe(true);
  });

  it("drop what cannot be meant", () => {
    const filters = fromQuery(new URLSearchParams("verdict=maybe&from=yesterday&to=2026-1-1&other=x&label=%20%20"));
    expect(isActive(filters)).toBe(false);
  });

  it("know every verdict that the server has", () => {
    expect(fromQuery(new URLSearchParams("verdict=out_of_domain")).verdict).toBe("out_of_domain");
    expect(verdict("out_of_domain").words).toBe("unlike the training images");
    expect(verdict("not_yet_known")).toMatchObject({ words: "not yet known", known: false });
  });

  it("send whole days, both included, in the reader's time zone", () => {
    const sent = toServer(fromQuery(new URLSearchParams("from=2026-11-01&to=2026-11-30&label=a")));
    expect(sent).toEqual({ label: "a", since: new Date(2026, 10, 1).toISOString(), until: new Date(2026, 11, 1).toISOString() });
  });
});

describe("CSV", () => {
  it("escapes what would break a table", () => {
    expect(cell('say "hi", you')).toBe('"say ""hi"", you"');
    expect(cell("two\nlines")).toBe('"two\nlines"');
    expect(cell(" edge")).toBe('" edge"');
    expect(cell(null)).toBe("");
    expect(cell(-0.5)).toBe("-0.5");
  });

  it("disarms what a spreadsheet would run", () => {
    expect(cell("=HYPERLINK(1)")).toBe("'=HYPERLINK(1)");
    expect(cell("@x,y")).toBe('"\'@x,y"');
    expect(cell("-1+2")).toBe("'-1+2");
  });

  it("has a column for each label and each number", () => {
    const base = { model: "m", bundle_id: "b" };
    const csv = toCsv([
      { ...prediction({ path: "a,b.jpg", p_in_domain: 0.63 }), ...base },
      { ...prediction({ label: null, probs: {}, values: { age: { value: 3, low: 2, high: 4 } }, verdict: "review", reasons: [{ code: "no-accept-rule", text: "" }] }), ...base },
    ]);
    const [head, first, second, rest] = csv.split("\r\n");
    expect(head).toBe("path,label,labels,confidence,verdict,p_in_domain,reasons,error,model,bundle_id,id,input_sha256,p(black),p(grizzly),p(teddy),age,age low,age high");
    expect(first).toContain('"a,b.jpg",grizzly,,0.9731,accept,0.63,,,m,b,');
    expect(first).toMatch(/,0\.02,0\.9731,0\.0069,,,$/);
    expect(second).toMatch(/,,,,3,2,4$/);
    expect(second).toContain(",review,,no-accept-rule,,m,b,");
    expect(rest).toBe("");
    expect(JSON.parse(toJson([{ ...prediction(), ...base }]))[0].model).toBe("m");
  });
});

describe("interval plots", () => {
  it("place the marks on the axis", () => {
    const marks = plot(6, 5, 8, false)!;
    expect([marks.min, marks.max]).toEqual([0, 8]);
    expect([marks.low, marks.value, marks.high]).toEqual([0.625, 0.75, 1]);
  });

  it("show fractions from a round start to one", () => {
    expect(fractionAxis(0.948)).toEqual([0.9, 1]);
    expect(fractionAxis(0.905)).toEqual([0.8, 1]);
    expect(fractionAxis(0.76)).toEqual([0.5, 1]);
    expect(fractionAxis(0.1)).toEqual([0, 1]);
    const marks = plot(0.8, 0.6, 0.9, true)!;
    expect(marks.low).toBeCloseTo(0.2);
    expect(marks.high).toBeCloseTo(0.8);
  });

  it("reach below zero where the figures do", () => {
    expect(axis(-3.2, 1)).toEqual([-4, 4]);
    expect(axis(-3, -1)).toEqual([-3, 0]);
    expect(axis(0, 0)).toEqual([0, 1]);
    expect(axis(0, 1234)).toEqual([0, 1500]);
  });

  it("are left out without an interval", () => {
    expect(plot(1, null, 2, false)).toBeNull();
    expect(plot(1, 3, 2, false)).toBeNull();
    expect(plot(Number.NaN, 0, 1, true)).toBeNull();
  });
});

describe("keys", () => {
  const key = (name: string) => new KeyboardEvent("keydown", { key: name });
  it("step through lists and grids", () => {
    expect([step(key("j")), step(key("k")), step(key("ArrowDown"), 3), step(key("ArrowRight"), 3), step(key("ArrowRight")), step(key("x"))]).toEqual([1, -1, 3, 1, 0, 0]);
    expect([stepped(-1, 1, 5), stepped(4, 1, 5), stepped(0, -1, 5), stepped(1, 3, 5), stepped(3, 3, 5), stepped(0, 1, 0)]).toEqual([0, 4, 0, 4, 3, -1]);
  });
});

describe("files", () => {
  const file = (name: string, type = "") => new File(["x"], name, { type });
  it("are images by type or by name; litter is not worth a word", () => {
    const found = sift([file("a.jpg"), file("b", "image/png"), file("notes.txt", "text/plain"), file(".DS_Store"), file("Thumbs.db"), file("c.HEIC")]);
    expect(found.files.map((f) => f.name)).toEqual(["a.jpg", "b", "c.HEIC"]);
    expect(found.skipped).toEqual(["notes.txt"]);
  });

  it("are found in folders that give their entries in portions", async () => {
    const leaf = (name: string) => ({ isFile: true, name, file: (ok: (f: File) => void) => ok(file(name)) });
    const portions = [[leaf("2.jpg")], [leaf("1.jpg")], []];
    const folder = { isFile: false, name: "d", createReader: () => ({ readEntries: (ok: (e: unknown[]) => void) => ok(portions.shift()!) }) };
    const transfer = { items: [{ kind: "file", webkitGetAsEntry: () => folder }], files: [] } as unknown as DataTransfer;
    expect((await dropped(transfer)).files.map((f) => f.name)).toEqual(["1.jpg", "2.jpg"]);
  });
});

describe("what others wrote", () => {
  it("links lead to the web only", () => {
    expect(safeHref("https://example.org")).toBe("https://example.org");
    expect(safeHref("javascript:alert(1)")).toBeNull();
    expect(safeHref(" JaVaScript:alert(1)")).toBeNull();
    expect(safeHref("data:text/html,x")).toBeNull();
  });

  it("a report loses its scripts, and its styles wait", () => {
    const { html, css } = prepared('<html><head><style>p{color:red}</style><script>bad()</script></head><body><p style="color:blue">x</p><iframe src="/"></iframe></body></html>');
    expect(css).toBe("p{color:red}");
    expect(html).not.toMatch(/<script|<style|<iframe| style=/);
    expect(html).toContain('data-style="color:blue"');
  });
});

describe("samples", () => {
  it("take one of each label in turn, in the order given", () => {
    const of = (...names: string[]) => names.map((name) => ({ name, url: `/${name}`, label: name.slice(0, 1) }));
    expect(mixed(of("a1", "a2", "a3", "b1", "b2", "c1")).map((sample) => sample.name)).toEqual(["a1", "b1", "c1", "a2", "b2", "a3"]);
    expect(mixed([])).toEqual([]);
    const plain = [1, 2].map((i) => ({ name: `${i}`, url: `/${i}`, label: null }));
    expect(mixed(plain)).toEqual(plain);
  });
});
