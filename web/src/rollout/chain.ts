/** Whether the lines of a log hang together: numbers without gaps, and each line naming the hash of the one before. */

import type { Line } from "./types";

const GENESIS = "0".repeat(64);

export interface Chain {
  /** The first line that does not follow from the one before; null: all do. */
  broken: number | null;
  lines: number;
}

export class ChainCheck {
  private before = GENESIS;
  private number = 0;
  private found: number | null = null;

  take(lines: readonly Pick<Line, "number" | "before" | "hash">[]): void {
    for (const line of lines) {
      if (this.found !== null) return;
      if (line.number !== this.number + 1 || line.before !== this.before) {
        this.found = line.number;
        return;
      }
      this.number = line.number;
      this.before = line.hash;
    }
  }

  /** `head`: what the server says the last line is. */
  end(head: { number: number; hash: string }): Chain {
    if (this.found === null && (this.number < head.number || (this.number === head.number && this.before !== head.hash))) this.found = this.number + 1;
    return { broken: this.found, lines: this.number };
  }
}
