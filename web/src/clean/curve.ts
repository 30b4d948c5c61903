/** Where the marks of a learning curve stand. */

import type { CurvePoint } from "./types";

export interface Drawn {
  left: number;
  line: string;
  /** The intervals, as one closed shape. */
  band: string;
  marks: { n: number; value: number; x: number; y: number }[];
  ticks: { value: number; y: number; digits: number }[];
  ends: { n: number; x: number; anchor: "start" | "middle" | "end" }[];
}

const LEFT = 42;
const RIGHT = 6;
const TOP = 8;
const FOOT = 20;
const STEPS = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1, 2, 5, 10, 20, 50, 100];

/** Null where there is no line to draw. The horizontal axis is logarithmic: each doubling is as wide. */
export function curve(points: readonly CurvePoint[], width: number, height: number): Drawn | null {
  const sound = points.filter((p) => [p.n, p.accuracy, p.low, p.high].every(Number.isFinite) && p.n > 0).toSorted((a, b) => a.n - b.n);
  const first = sound[0];
  const last = sound.at(-1);
  if (!first || !last || first.n === last.n) return null;
  const low = Math.min(...sound.map((p) => p.low));
  const high = Math.max(...sound.map((p) => p.high));
  const step = STEPS.find((s) => (high - low) / s <= 3) ?? high - low;
  const floor = Math.floor(low / step + 1e-9) * step;
  const ceiling = Math.max(floor + step, Math.ceil(high / step - 1e-9) * step);
  const x = (n: number) => round(LEFT + ((width - LEFT - RIGHT) * Math.log(n / first.n)) / Math.log(last.n / first.n));
  const y = (value: number) => round(TOP + ((height - TOP - FOOT) * (ceiling - value)) / (ceiling - floor));
  const path = (at: readonly (readonly [number, number])[]) => at.map(([px, py], i) => `${i === 0 ? "M" : "L"}${px} ${py}`).join("");
  const upper = sound.map((p) => [x(p.n), y(p.high)] as const);
  const lower = sound.map((p) => [x(p.n), y(p.low)] as const).toReversed();
  const rules = Math.round((ceiling - floor) / step);
  return {
    left: LEFT,
    line: path(sound.map((p) => [x(p.n), y(p.accuracy)] as const)),
    band: `${path([...upper, ...lower])}Z`,
    marks: sound.map((p) => ({ n: p.n, value: p.accuracy, x: x(p.n), y: y(p.accuracy) })),
    ticks: Array.from({ length: rules + 1 }, (_, i) => ({ value: Number((floor + i * step).toPrecision(6)), y: y(floor + i * step), digits: step < 0.01 ? 1 : 0 })),
    ends: [
      { n: first.n, x: x(first.n), anchor: "start" },
      { n: last.n, x: x(last.n), anchor: "end" },
    ],
  };
}

const round = (value: number) => Math.round(value * 10) / 10;
