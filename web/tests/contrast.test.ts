import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";

/** WCAG 2: (lighter + 0.05) ÷ (darker + 0.05) of relative luminances. */
function contrast(a: string, b: string): number {
  const [x, y] = [luminance(a), luminance(b)];
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05);
}

function luminance(hex: string): number {
  const [r = 0, g = 0, b = 0] = [1, 3, 5].map((at) => {
    const c = Number.parseInt(hex.slice(at, at + 2), 16) / 255;
    return c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}

function tokens(block: RegExp): Record<string, string> {
  const css = readFileSync("src/styles/tokens.css", "utf8");
  const found = block.exec(css)?.[1] ?? "";
  return Object.fromEntries([...found.matchAll(/--([\w-]+): (#[0-9a-f]{6});/g)].map(([, name, value]) => [name, value]));
}

const THEMES = { light: tokens(/:root \{([^}]*color-scheme: light[^}]*)\}/), dark: tokens(/\[data-theme="dark"\] \{([^}]*)\}/) };
const GROUNDS = ["page", "surface", "sunken", "accent-soft"];
const TEXT: [string, string[]][] = [
  ["text", [...GROUNDS, "review-soft", "outside-soft", "error-soft"]],
  ["muted", ["page", "surface", "sunken"]],
  ["accent", GROUNDS],
  ["accent-strong", ["surface"]],
  ["accept", ["accept-soft", "surface"]],
  ["review", ["review-soft", "surface", "page", "accent-soft"]],
  ["outside", ["outside-soft", "surface", "page", "accent-soft"]],
  ["unreadable", ["unreadable-soft", "surface"]],
  ["error", ["error-soft", "surface"]],
  ["on-accent", ["accent", "accent-strong"]],
];
const SHAPES: [string, string[]][] = [
  ["edge", ["surface", "page"]],
  ["bar", ["surface"]],
  ["accent", GROUNDS],
];

describe.each(Object.entries(THEMES))("%s colours", (_name, theme) => {
  it("are all there", () => {
    expect(Object.keys(theme).sort()).toEqual(Object.keys(THEMES.light).sort());
    expect(Object.keys(theme).length).toBeGreaterThan(20);
  });
  it.each(TEXT.flatMap(([front, grounds]) => grounds.map((ground) => [front, ground])))("%s can be read on %s (4.5)", (front, ground) => {
    expect(contrast(theme[front!]!, theme[ground!]!)).toBeGreaterThanOrEqual(4.5);
  });
  it.each(SHAPES.flatMap(([front, grounds]) => grounds.map((ground) => [front, ground])))("%s can be seen on %s (3)", (front, ground) => {
    expect(contrast(theme[front!]!, theme[ground!]!)).toBeGreaterThanOrEqual(3);
  });
});

it("computes the ratios of the standard's own examples", () => {
  expect(contrast("#000000", "#ffffff")).toBeCloseTo(21);
  expect(contrast("#777777", "#ffffff")).toBeCloseTo(4.48, 2);
});
