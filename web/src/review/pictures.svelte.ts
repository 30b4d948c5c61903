/** Pictures of the cases at hand and of the next: fetched with the key, kept in memory only, and let go when their case is. */

import { SvelteMap } from "svelte/reactivity";
import { session } from "../session.svelte";
import { LARGE } from "./calls";

export interface Held {
  /** Null while it is on its way, or where it did not come. */
  src: string | null;
  failed: boolean;
}

export class Pictures {
  private readonly held = new SvelteMap<string, Held>();
  private readonly small = new Set<string>();
  private readonly stops = new Map<string, AbortController>();

  of(address: string): Held {
    return this.held.get(address) ?? { src: null, failed: false };
  }

  /** Fetches those of these that are not there yet, and lets go of all others. */
  want(addresses: readonly string[]): void {
    for (const address of [...this.held.keys()]) if (!addresses.includes(address)) this.drop(address);
    for (const address of addresses) if (!this.held.has(address)) this.fetch(address);
  }

  again(address: string): void {
    this.drop(address);
    this.fetch(address);
  }

  /** The browser cannot draw the file, such as a TIFF: the server's picture of it stands in. */
  broke(address: string): void {
    if (this.small.has(address) || /[?&]size=/.test(address)) return this.fail(address);
    this.small.add(address);
    this.again(address);
  }

  clear(): void {
    this.want([]);
  }

  private drop(address: string): void {
    this.stops.get(address)?.abort();
    this.stops.delete(address);
    const src = this.held.get(address)?.src;
    if (src?.startsWith("blob:")) URL.revokeObjectURL(src);
    this.held.delete(address);
  }

  private fail(address: string): void {
    this.held.set(address, { src: null, failed: true });
  }

  private fetch(address: string): void {
    const wanted = this.small.has(address) ? `${address}${address.includes("?") ? "&" : "?"}size=${LARGE}` : address;
    if (!session.key) return void this.held.set(address, { src: wanted, failed: false });
    const stop = new AbortController();
    this.stops.set(address, stop);
    this.held.set(address, { src: null, failed: false });
    session.client
      .blob(wanted, { signal: stop.signal })
      .then((blob) => {
        if (!stop.signal.aborted) this.held.set(address, { src: URL.createObjectURL(blob), failed: false });
      })
      .catch(() => {
        if (!stop.signal.aborted) this.fail(address);
      });
  }
}
