/** What the whole page shares: who asks, whether the server answers, and which models it serves. */

import { Client, sleep } from "./api/client";
import { Problem, Unreachable } from "./api/problem";
import type { Model, WhoAmI } from "./api/types";
import { place } from "./location.svelte";
import { pagesOf } from "./routes";
import { tabStorage } from "./storage";

const KEY = "drivetrain.key";
const RANK = { predict: 0, review: 1, admin: 2 } as const;
export type Role = keyof typeof RANK;

/** A desk where a data set is worked on, and the names of its pages. */
export interface DeskWho {
  mode: string;
  source: string;
  pages: readonly string[];
  /** The name for whoever gives none; null where several people may come. */
  name?: string | null;
}

export class Session {
  key = $state<string | null>(tabStorage()?.getItem(KEY) ?? null);
  whoami = $state<WhoAmI | null>(null);
  models = $state<Model[] | null>(null);
  modelsError = $state<unknown>(null);
  /** False from the first call that got no answer until one that did. */
  reachable = $state(true);
  /** When the next attempt to reach the server is due. */
  nextTryAt = $state<number | null>(null);
  /** Grows when everything shown may be out of date: another key, or a server that came back. */
  epoch = $state(0);
  /** Spoken by screen readers. */
  announcement = $state("");

  readonly client = new Client({
    fetch: (...args) => fetch(...args),
    key: () => this.key,
    now: () => Date.now(),
    sleep,
    random: Math.random,
    reached: (answered) => this.reached(answered),
  });

  /** Called when another key is used from now on, or none: what the one before was told must not stay. */
  readonly whenKeyChanges = new Set<() => void>();

  private timer: ReturnType<typeof setTimeout> | undefined;
  private tries = 0;

  /** What the desk says of itself; null where predictions are served instead. */
  get desk(): DeskWho | null {
    return (this.whoami as { desk?: DeskWho | null } | null)?.desk ?? null;
  }

  /** The pages that whoever answers has, the start first. */
  readonly pages = $derived(pagesOf(this.whoami));

  /** While a rollout is live a reviewer reaches the review queue and nothing else, so nothing else is asked for. */
  readonly blind = $derived(this.whoami?.blind ?? false);

  /** Before the first answer nobody knows which pages there are; a server that cannot say is taken for one of predictions. */
  readonly known = $derived(this.whoami !== null || !this.reachable || this.modelsError !== null);

  /** Whether the dialog for the key is open. */
  get askForKey(): boolean {
    return place.has("key");
  }

  set askForKey(wanted: boolean) {
    if (wanted) place.open("key");
    else void place.close("key");
  }

  async start(): Promise<void> {
    try {
      this.whoami = await this.client.get("/v1/whoami");
    } catch (error) {
      // A server that is gone is tried again by itself; one that answers with an error, when the reader says so.
      if (!(error instanceof Unreachable)) this.modelsError = error;
      return;
    }
    this.askForKey = this.whoami.keys_required && this.whoami.role === null;
    if (!this.askForKey) await this.loadModels();
  }

  async loadModels(): Promise<void> {
    this.modelsError = null;
    // A desk serves none, and a reviewer is told of none while a rollout is live.
    if (this.desk || this.blind) return void (this.models = []);
    try {
      this.models = (await this.client.get("/v1/models")).models;
    } catch (error) {
      this.modelsError = error;
      this.refused(error);
    }
  }

  /** Opens the key dialog if that is what the server wants. */
  refused(error: unknown): void {
    if (!(error instanceof Problem)) return;
    if (error.status === 401) this.askForKey = true;
    // A rollout that has begun or ended meanwhile changes what a reviewer may see.
    if (error.status === 403 && this.whoami?.role === "review") void this.askAgain();
  }

  /** Asks once more what the caller may do; whatever is shown stays until the answer says otherwise. */
  async askAgain(): Promise<void> {
    const found = await this.client.get("/v1/whoami").catch(() => null);
    if (found === null || JSON.stringify(found) === JSON.stringify(this.whoami)) return;
    const { blind } = this;
    this.whoami = found;
    if (blind && !this.blind) await this.loadModels();
  }

  /** Whether the caller's role allows what `role` may do; true while nobody knows. */
  may(role: Role): boolean {
    const own = this.whoami?.role as Role | null | undefined;
    return own === undefined ? true : own !== null && RANK[own] >= RANK[role];
  }

  /** Keeps the key if the server knows it. */
  async enter(key: string): Promise<boolean> {
    const before = this.key;
    this.key = key;
    let whoami: WhoAmI;
    try {
      whoami = await this.client.get("/v1/whoami");
    } catch (error) {
      this.key = before;
      throw error;
    }
    if (whoami.role === null) {
      this.key = before;
      return false;
    }
    this.keep(key);
    if (before !== key) for (const told of this.whenKeyChanges) told();
    this.whoami = whoami;
    this.askForKey = false;
    await this.loadModels();
    this.epoch += 1;
    return true;
  }

  async forget(): Promise<void> {
    this.keep(null);
    for (const told of this.whenKeyChanges) told();
    this.models = null;
    this.epoch += 1;
    await this.start();
  }

  private keep(key: string | null): void {
    this.key = key;
    if (key === null) tabStorage()?.removeItem(KEY);
    else tabStorage()?.setItem(KEY, key);
  }

  say(text: string): void {
    this.announcement = text;
  }

  tryNow(): void {
    clearTimeout(this.timer);
    this.nextTryAt = null;
    void this.client.get("/v1/whoami").then((whoami) => (this.whoami = whoami)).catch(() => undefined);
  }

  private reached(answered: boolean): void {
    if (answered) {
      clearTimeout(this.timer);
      this.nextTryAt = null;
      this.tries = 0;
      if (this.reachable) return;
      this.reachable = true;
      this.say("The server answers again.");
      void this.start().then(() => (this.epoch += 1));
      return;
    }
    if (this.reachable) this.say("The server does not answer.");
    this.reachable = false;
    if (this.nextTryAt !== null) return;
    const ms = Math.min(15_000, 1_000 * 2 ** this.tries);
    this.tries += 1;
    this.nextTryAt = Date.now() + ms;
    this.timer = setTimeout(() => this.tryNow(), ms);
  }
}

export const session = new Session();
