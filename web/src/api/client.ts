/** Typed calls to the server, with waiting and retrying where the server asks for it. */

import { Problem, problemOf, unintelligible, Unreachable } from "./problem";
import type { Answer, Method, PathWith, Query } from "./types";

export interface Wait {
  /** When the next attempt is due, in milliseconds since 1970. */
  until: number;
  attempt: number;
  problem: Problem;
}

export interface Options {
  body?: FormData | object;
  signal?: AbortSignal;
  /** Further attempts after a 429 or 503. */
  retries?: number;
  onWait?: (wait: Wait | null) => void;
}

export interface Surroundings {
  fetch: typeof fetch;
  key: () => string | null;
  now: () => number;
  /** Resolves after `ms`, or rejects with the signal's reason. */
  sleep: (ms: number, signal?: AbortSignal) => Promise<void>;
  /** A number in [0, 1): spreads retries of many clients. */
  random: () => number;
  /** Told after every attempt whether the server answered at all. */
  reached?: (answered: boolean) => void;
}

const FIRST_WAIT_MS = 1_000;
const LONGEST_WAIT_MS = 60_000;

/** What to wait before attempt `attempt` (1 is the first retry): the server's word, else doubling; never all at once. */
export function backoffMs(attempt: number, asked: number | null, random: number): number {
  const base = asked ?? FIRST_WAIT_MS * 2 ** (attempt - 1);
  return Math.min(LONGEST_WAIT_MS, base) + random * 250;
}

export function sleep(ms: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted) return reject(signal.reason);
    const stop = () => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, ms);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

/** `/path?a=b`; undefined, null and empty values are left out. */
export function withQuery(path: string, query: Record<string, unknown> = {}): string {
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    if (value !== undefined && value !== null && value !== "") search.set(name, String(value));
  }
  const text = search.toString();
  return text ? `${path}?${text}` : path;
}

export class Client {
  constructor(private readonly around: Surroundings) {}

  get<P extends PathWith<"get">>(path: P, query?: Query<"get", P>, options?: Options): Promise<Answer<"get", P>> {
    return this.json("get", withQuery(path, query as Record<string, unknown>), options);
  }

  post<P extends PathWith<"post">>(path: P, query?: Query<"post", P>, options?: Options): Promise<Answer<"post", P>> {
    return this.json("post", withQuery(path, query as Record<string, unknown>), options);
  }

  /** For addresses that the server itself gave, such as a model's links. */
  async json<T>(method: Method, url: string, options?: Options): Promise<T> {
    const response = await this.send(method, url, options);
    const text = await this.whole(response.text(), options);
    try {
      return JSON.parse(text) as T;
    } catch {
      throw unintelligible(response);
    }
  }

  async text(url: string, options?: Options): Promise<string> {
    return this.whole((await this.send("get", url, options)).text(), options);
  }

  async blob(url: string, options?: Options): Promise<Blob> {
    return this.whole((await this.send("get", url, options)).blob(), options);
  }

  /** An answer as it comes, for what may be too long to hold. */
  async stream(url: string, options?: Options): Promise<ReadableStream<Uint8Array>> {
    const { body } = await this.send("get", url, options);
    return body ?? new Blob([]).stream();
  }

  /** A body that breaks off is no answer either. */
  private async whole<T>(body: Promise<T>, { signal }: Options = {}): Promise<T> {
    try {
      return await body;
    } catch {
      return this.lost(signal);
    }
  }

  private lost(signal?: AbortSignal): never {
    if (signal?.aborted) throw signal.reason;
    this.around.reached?.(false);
    throw new Unreachable();
  }

  /** Throws `Problem` for any answer that is not a success, `Unreachable` for none, and the signal's reason when aborted. */
  private async send(method: Method, url: string, options: Options = {}): Promise<Response> {
    const retries = options.retries ?? (method === "get" ? 3 : 0);
    for (let attempt = 1; ; attempt += 1) {
      const response = await this.once(method, url, options);
      if (response.ok) {
        options.onWait?.(null);
        return response;
      }
      const problem = await problemOf(response, this.around.now());
      if (!problem.passing || attempt > retries) throw problem;
      const ms = backoffMs(attempt, problem.retryAfterMs, this.around.random());
      options.onWait?.({ until: this.around.now() + ms, attempt, problem });
      await this.around.sleep(ms, options.signal);
    }
  }

  private async once(method: Method, url: string, { body, signal }: Options): Promise<Response> {
    const headers = new Headers({ Accept: "application/json, */*" });
    const key = this.around.key();
    if (key) headers.set("Authorization", `Bearer ${key}`);
    let payload: BodyInit | undefined;
    if (body instanceof FormData) payload = body;
    else if (body !== undefined) {
      headers.set("Content-Type", "application/json");
      payload = JSON.stringify(body);
    }
    try {
      const response = await this.around.fetch(url, { method: method.toUpperCase(), headers, body: payload, signal });
      this.around.reached?.(true);
      return response;
    } catch {
      return this.lost(signal);
    }
  }
}
