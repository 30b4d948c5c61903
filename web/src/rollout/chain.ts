/**
 * Whether a log is whole: each line's hash is the SHA-256 of the hash of the line before, its number, and its event's canonical
 * JSON, so that none can have been changed, left out or put in later. Lines are read as they were written, not parsed and written
 * anew: of one value there are many texts, and only one has that hash.
 */

import { sha256 } from "./sha256";

const GENESIS = "0".repeat(64);
const EVENT = ',"event":';
const BEFORE = ',"before":"';

export interface Checked {
  /** Lines that hang together, from the first. */
  lines: number;
  /** The number of the first line that does not; null: all do. */
  broken: number | null;
}

export class Chain {
  lines = 0;
  private hash = GENESIS;
  private at = new Map<number, string>();

  /** `heads`: line numbers whose hash will be asked for. */
  constructor(private readonly heads: readonly number[]) {}

  /** Whether a line of the exported log follows from those before it. */
  follows(line: string): boolean {
    const from = line.indexOf(EVENT);
    const to = line.lastIndexOf(BEFORE);
    if (from < 0 || to < from) return false;
    const number = Number(/^\{"number":(\d+),/.exec(line)?.[1]);
    const said = /^,"before":"([0-9a-f]{64})","hash":"([0-9a-f]{64})"\}$/.exec(line.slice(to));
    if (number !== this.lines + 1 || !said || said[1] !== this.hash) return false;
    if (sha256(`${this.hash}\n${number}\n${line.slice(from + EVENT.length, to)}`) !== said[2]) return false;
    this.hash = said[2]!;
    this.lines = number;
    if (this.heads.includes(number)) this.at.set(number, this.hash);
    return true;
  }

  /** The hash of one of the lines that were asked for. */
  hashOf(number: number): string | undefined {
    return this.at.get(number);
  }
}

/** Reads an exported log as it comes. `head`: the last line as the server names it; there may be more by now. */
export async function check(log: ReadableStream<Uint8Array>, head: { number: number; hash: string }, progress: (lines: number) => void): Promise<Checked> {
  const chain = new Chain([head.number]);
  const reader = log.getReader();
  const decoder = new TextDecoder();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    const lines = (rest + (done ? decoder.decode() : decoder.decode(value, { stream: true }))).split("\n");
    rest = done ? "" : (lines.pop() ?? "");
    for (const line of lines) {
      if (line.trim() === "" || chain.follows(line)) continue;
      await reader.cancel();
      return { lines: chain.lines, broken: chain.lines + 1 };
    }
    progress(chain.lines);
    if (done) break;
  }
  // Lines may have been cut off at the end: the server has named one that is not there, or another in its place.
  return { lines: chain.lines, broken: chain.hashOf(head.number) === head.hash ? null : Math.min(chain.lines + 1, head.number) };
}
