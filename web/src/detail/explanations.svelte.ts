/** Why the model answered as it did, asked for once per image and output. */

import type { Explanation } from "../api/types";

export type Ask = (output: string | null, signal: AbortSignal) => Promise<Explanation>;

const KEPT = 60;
/** Stepping through a list with the keyboard must not ask for every image passed. */
const SETTLE_MS = 250;

class Explanations {
  private readonly known = new Map<string, Explanation>();

  get(key: string): Explanation | undefined {
    return this.known.get(key);
  }

  clear(): void {
    this.known.clear();
  }

  async load(key: string, ask: (signal: AbortSignal) => Promise<Explanation>, signal: AbortSignal): Promise<Explanation> {
    const before = this.known.get(key);
    if (before) return before;
    await new Promise((resolve) => setTimeout(resolve, SETTLE_MS));
    signal.throwIfAborted();
    const explanation = await ask(signal);
    this.known.set(key, explanation);
    const oldest = this.known.keys().next().value;
    if (this.known.size > KEPT && oldest !== undefined) this.known.delete(oldest);
    return explanation;
  }
}

export const explanations = new Explanations();
