/** Where the marks of an evidence curve stand: estimate and bound over time, against what has to be shown. */

import type { Curve } from "./types";

export interface Drawn {
  left: number;
  right: number;
  /** The estimate. */
  line: string;
  /** The bound that is held against the threshold. */
  bound: string;
  /** What lies between them. */
  band: string;
  threshold: number;
  /** Whether the threshold lies beyond what is drawn, so that it stands at the edge. */
  beyond: boolean;
  ticks: { value: number; y: number }[];
  ends: { at: number; x: number; anchor: "start" | "end" }[];
  last: { x: number; y: number } | null;
}

const LEFT = 46;
const RIGHT = 8;
const TOP = 8;
const FOOT = 18;
const STEPS = [1, 2, 2.5, 5, 10];

/** Null where there is no course to draw: fewer than two moments with a number. */
export function drawn(curve: Curve, width: number, height: number): Drawn | null {
  const points = curve.points
    .map((point) => ({ ...point, time: new Date(point.at).getTime() }))
    .filter(({ time, value, bound }) => Number.isFinite(time) && (value !== null || bound !== null));
  const first = points[0];
  const final = points.at(-1);
  if (!first || !final || first.time === final.time) return null;
  const values = points.flatMap(({ value, bound }) => [value, bound]).filter((one) => one !== null);
  // A bound begins far away, where nothing is known yet: what comes near the threshold is what is looked at.
  const settled = points.slice(Math.floor(points.length / 4)).flatMap(({ value, bound }) => [value, bound]).filter((one) => one !== null);
  const near = settled.length > 0 ? settled : values;
  const low = Math.min(0, curve.threshold, ...near);
  const high = Math.max(curve.threshold, ...near);
  const { floor, ceiling, step } = axis(low, high);
  const x = (time: number) => round(LEFT + ((width - LEFT - RIGHT) * (time - first.time)) / (final.time - first.time));
  const y = (value: number) => round(TOP + ((height - TOP - FOOT) * (ceiling - Math.min(ceiling, Math.max(floor, value)))) / (ceiling - floor));
  const course = (pick: (point: (typeof points)[number]) => number | null) =>
    points.flatMap((point) => {
      const value = pick(point);
      return value === null ? [] : [[x(point.time), y(value)] as const];
    });
  const line = course(({ value }) => value);
  const bound = course(({ bound: one }) => one);
  const both = points.filter((point) => point.value !== null && point.bound !== null);
  const upper = both.map((point) => [x(point.time), y(point.bound!)] as const);
  const lower = both.map((point) => [x(point.time), y(point.value!)] as const).toReversed();
  const rules = Math.round((ceiling - floor) / step);
  const end = bound.at(-1) ?? line.at(-1);
  return {
    left: LEFT,
    right: width - RIGHT,
    line: path(line),
    bound: path(bound),
    band: both.length > 1 ? `${path([...upper, ...lower])}Z` : "",
    threshold: y(curve.threshold),
    beyond: curve.threshold > ceiling || curve.threshold < floor,
    ticks: Array.from({ length: rules + 1 }, (_, i) => Number((floor + i * step).toPrecision(6))).map((value) => ({ value, y: y(value) })),
    ends: [
      { at: first.time, x: x(first.time), anchor: "start" },
      { at: final.time, x: x(final.time), anchor: "end" },
    ],
    last: end ? { x: end[0], y: end[1] } : null,
  };
}

function axis(low: number, high: number): { floor: number; ceiling: number; step: number } {
  const reach = high - low || Math.abs(high) || 1;
  const power = 10 ** Math.floor(Math.log10(reach / 2));
  const step = Number(((STEPS.find((one) => one * power >= reach / 3) ?? 10) * power).toPrecision(6));
  const floor = Math.floor(low / step + 1e-9) * step;
  return { floor, ceiling: Math.max(floor + step, Math.ceil(high / step - 1e-9) * step), step };
}

const path = (at: readonly (readonly [number, number])[]) => at.map(([px, py], i) => `${i === 0 ? "M" : "L"}${px} ${py}`).join("");
const round = (value: number) => Math.round(value * 10) / 10;
