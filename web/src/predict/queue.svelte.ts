/** Images on their way to the server: small batches, a few at once, patient when the server is busy. */

import { backoffMs, type Client } from "../api/client";
import { Problem, Unreachable, words } from "../api/problem";
import type { Prediction, Predictions } from "../api/types";

export type State = "waiting" | "sending" | "done" | "failed" | "cancelled";

export interface Metadata {
  camera?: string;
  site?: string;
  group?: string;
}

export interface Target {
  model: string | null;
  version: string | null;
  metadata: Metadata;
}

/** One image. A class, so that the list does not wrap what it holds: targets are compared by identity. */
export class Upload {
  state = $state<State>("waiting");
  error = $state<string | null>(null);
  prediction = $state.raw<Prediction | null>(null);
  answer = $state.raw<Omit<Predictions, "predictions"> | null>(null);

  constructor(
    readonly id: number,
    readonly file: File,
    /** For `<img>`; freed when the upload is removed. */
    readonly url: string,
    readonly target: Target,
  ) {}

  get name(): string {
    return this.file.name;
  }
}

export interface Around {
  client: Pick<Client, "post">;
  now: () => number;
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  random: () => number;
  /** A 401: somebody has to enter a key. */
  refused: (problem: Problem) => void;
  /** Resolves when the server answers again. */
  reconnected: (signal: AbortSignal) => Promise<void>;
  createUrl: (file: File) => string;
  revokeUrl: (url: string) => void;
}

export const BATCH_IMAGES = 8;
export const BATCH_BYTES = 6_000_000;
export const IN_FLIGHT = 2;

export interface Pause {
  until: number | null;
  reason: string;
}

export class UploadQueue {
  items = $state<Upload[]>([]);
  /** Set while the queue waits because the server asked for it. */
  pause = $state<Pause | null>(null);
  private serial = 0;
  private workers = 0;
  private stop = new AbortController();
  private attempts = 0;
  private gate: Promise<void> | null = null;
  /** Images whose batch was refused: each goes by itself. */
  private readonly alone = new Set<number>();
  /** Nothing is sent before somebody has entered a key. */
  private held = false;

  readonly waiting = $derived(this.items.filter((item) => item.state === "waiting" || item.state === "sending").length);
  readonly done = $derived(this.items.filter((item) => item.state === "done").length);
  readonly failed = $derived(this.items.filter((item) => item.state === "failed").length);

  constructor(private readonly around: Around) {}

  add(files: readonly File[], target: Target): void {
    const added = files.map((file) => new Upload((this.serial += 1), file, this.around.createUrl(file), target));
    this.items.push(...added);
    this.run();
  }

  /** Whatever has not been answered is given up. */
  cancel(): void {
    this.stop.abort(new DOMException("cancelled", "AbortError"));
    this.stop = new AbortController();
    this.pause = null;
    this.gate = null;
    this.attempts = 0;
    for (const item of this.items) {
      if (item.state === "waiting" || item.state === "sending") item.state = "cancelled";
    }
  }

  retry(id?: number): void {
    for (const item of this.items) {
      if (id !== undefined && item.id !== id) continue;
      if (item.state === "failed" || item.state === "cancelled") {
        item.state = "waiting";
        item.error = null;
      }
    }
    this.run();
  }

  /** Also called when a key has been entered: those refused for want of one start again. */
  run(): void {
    this.held = false;
    while (this.workers < IN_FLIGHT && this.items.some((item) => item.state === "waiting")) {
      this.workers += 1;
      void this.work().finally(() => {
        this.workers -= 1;
        // Images may have come, or the queue been stopped and filled again, while this worker was on its way out.
        if (!this.held && this.items.some((item) => item.state === "waiting")) this.run();
      });
    }
  }

  remove(id: number): void {
    const index = this.items.findIndex((item) => item.id === id);
    const [item] = index < 0 ? [] : this.items.splice(index, 1);
    if (item) this.around.revokeUrl(item.url);
  }

  clear(): void {
    this.cancel();
    for (const item of this.items) this.around.revokeUrl(item.url);
    this.items = [];
  }

  private async work(): Promise<void> {
    const { signal } = this.stop;
    for (;;) {
      while (this.gate) await this.gate.catch(() => undefined);
      if (signal.aborted || this.held) return;
      const batch = this.take();
      if (batch.length === 0) return;
      await this.send(batch, signal);
    }
  }

  /** The next images in order that go to the same target, up to a count and a size. */
  private take(): Upload[] {
    const batch: Upload[] = [];
    let size = 0;
    for (const item of this.items) {
      if (item.state !== "waiting") continue;
      const first = batch[0];
      if (first) {
        if (item.target !== first.target || this.alone.has(item.id)) break;
        if (batch.length >= BATCH_IMAGES || size + item.file.size > BATCH_BYTES) break;
      }
      batch.push(item);
      size += item.file.size;
      if (this.alone.has(item.id)) break;
    }
    for (const item of batch) item.state = "sending";
    return batch;
  }

  private async send(batch: Upload[], signal: AbortSignal): Promise<void> {
    const { model, version, metadata } = batch[0]!.target;
    const body = new FormData();
    for (const item of batch) body.append("images", item.file, item.name);
    if (Object.values(metadata).some(Boolean)) {
      body.append("metadata", JSON.stringify(Object.fromEntries(Object.entries(metadata).filter(([, v]) => v))));
    }
    const query = { ...(model ? { model } : {}), ...(version ? { version } : {}) };
    try {
      const { predictions, ...answer } = await this.around.client.post("/v1/predict", query, { body, signal });
      this.attempts = 0;
      batch.forEach((item, i) => {
        if (item.state !== "sending") return;
        const prediction = predictions[i];
        if (!prediction) return this.fail([item], "The server gave no answer for this image.");
        item.prediction = prediction;
        item.answer = answer;
        item.state = "done";
      });
    } catch (error) {
      if (signal.aborted) return;
      await this.settle(batch, error, signal);
    }
  }

  private async settle(batch: Upload[], error: unknown, signal: AbortSignal): Promise<void> {
    const again = () => {
      for (const item of batch) if (item.state === "sending") item.state = "waiting";
    };
    if (error instanceof Unreachable) {
      again();
      return this.hold({ until: null, reason: "The server does not answer. Sending goes on when it does." }, () =>
        this.around.reconnected(signal),
      );
    }
    if (error instanceof Problem && error.passing) {
      again();
      // Several batches may come back at once: they share one wait.
      if (this.gate) return;
      this.attempts += 1;
      const ms = backoffMs(this.attempts, error.retryAfterMs, this.around.random());
      const reason = error.status === 429 ? "The server takes no more images for a moment." : words(error).text;
      return this.hold({ until: this.around.now() + ms, reason }, () => this.around.sleep(ms, signal));
    }
    if (error instanceof Problem && error.status === 401) {
      again();
      this.held = true;
      this.around.refused(error);
      return;
    }
    if (error instanceof Problem && [400, 413, 415, 422].includes(error.status) && batch.length > 1) {
      // One of them is to blame: each by itself, so that the others are answered.
      for (const item of batch) this.alone.add(item.id);
      return again();
    }
    const { title, text } = words(error);
    this.fail(batch, text ? `${title}. ${text}` : title);
  }

  private async hold(pause: Pause, until: () => Promise<void>): Promise<void> {
    if (this.gate) return;
    this.pause = pause;
    const gate = until().catch(() => undefined);
    this.gate = gate;
    await gate;
    if (this.gate === gate) {
      this.gate = null;
      this.pause = null;
    }
  }

  private fail(batch: Upload[], error: string): void {
    for (const item of batch) {
      if (item.state !== "sending") continue;
      item.state = "failed";
      item.error = error;
    }
  }
}
