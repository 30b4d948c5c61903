/** Which rows of a long grid stand in the document: those in sight and a few around them. */

export interface Layout {
  columns: number;
  /** Pixels from one row's top to the next one's. */
  pitch: number;
}

export interface Span {
  first: number;
  /** The row after the last. */
  end: number;
}

/** As many columns as fit at `least` pixels each, and at least `fewest`. */
export function layout(width: number, least: number, gap: number, below: number, fewest = 2): Layout & { side: number } {
  const columns = Math.max(fewest, Math.floor((width + gap) / (least + gap)));
  const side = Math.max(40, Math.floor((width - gap * (columns - 1)) / columns));
  return { columns, side, pitch: side + below + gap };
}

export function rowsOf(length: number, columns: number): number {
  return Math.ceil(length / columns);
}

/** Rows that meet the stretch from `top` to `top + height` of the grid, with `around` more on each side. */
export function span(top: number, height: number, rows: number, pitch: number, around: number): Span {
  const first = Math.max(0, Math.min(rows, Math.floor(top / pitch) - around));
  const end = Math.max(first, Math.min(rows, Math.ceil((top + height) / pitch) + around));
  return { first, end };
}

/** Where to scroll within the grid so that a row is in sight; null where it is. */
export function reveal(row: number, pitch: number, top: number, height: number): number | null {
  const upper = row * pitch;
  if (upper < top) return upper;
  if (upper + pitch > top + height) return upper + pitch - height;
  return null;
}
