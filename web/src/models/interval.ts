/** Where the marks of an interval plot stand. */

export interface Plot {
  /** Ends of the axis, in the figure's own unit. */
  min: number;
  max: number;
  /** Positions along the axis, in 0–1. */
  low: number;
  value: number;
  high: number;
}

/** Null where there is no interval to draw. */
export function plot(value: number, low: number | null, high: number | null, fraction: boolean): Plot | null {
  if (low === null || high === null || ![value, low, high].every(Number.isFinite) || high < low) return null;
  const [min, max] = fraction ? fractionAxis(low) : axis(Math.min(low, value), Math.max(high, value));
  const at = (x: number) => Math.min(1, Math.max(0, (x - min) / (max - min)));
  return { min, max, low: at(low), value: at(value), high: at(high) };
}

/** Up to 1, from the highest of a few round starts that still leaves room before the interval. */
export function fractionAxis(low: number): [number, number] {
  const start = [0.99, 0.9, 0.8, 0.5].find((min) => low - min >= (1 - min) / 10) ?? 0;
  return [start, 1];
}

/** From zero to a round number above all; below zero as well where the figures are. */
export function axis(low: number, high: number): [number, number] {
  const reach = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const top = roundUp(reach);
  return [low < 0 ? -top : 0, high > 0 || low >= 0 ? top : 0];
}

function roundUp(x: number): number {
  const power = 10 ** Math.floor(Math.log10(x));
  const step = [1, 1.5, 2, 2.5, 3, 4, 5, 6, 8, 10].find((s) => s * power >= x * (1 - 1e-12)) ?? 10;
  return Number((step * power).toPrecision(6));
}
