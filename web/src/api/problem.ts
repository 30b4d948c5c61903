/** What can go wrong between the console and the server, in words for a person. */

import type { Fault } from "./types";

/** The server answered, but not with what was asked for (RFC 9457). */
export class Problem extends Error {
  readonly slug: string;
  readonly requestId: string | null;
  /** Each place of the request that is wrong, where the server names some. */
  readonly faults: readonly Fault[];

  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    options: { slug?: string; requestId?: string | null; retryAfterMs?: number | null; faults?: readonly Fault[] } = {},
  ) {
    super(detail || title);
    this.slug = options.slug ?? "";
    this.requestId = options.requestId ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.faults = options.faults ?? [];
  }

  /** How long the server asked to wait, in milliseconds; null if it did not say. */
  readonly retryAfterMs: number | null;

  /** Too busy, draining, without its store or not there behind its proxy: the same request may succeed later. */
  get passing(): boolean {
    return [429, 502, 503, 504].includes(this.status);
  }

  /** What is wrong with the image at this place of the request; null where the server did not name it. */
  ofImage(place: number): string | null {
    const fault = this.faults.find(({ loc }) => loc.length === 2 && loc[0] === "images" && loc[1] === place);
    return fault?.msg ?? null;
  }
}

/** No answer at all: the server is gone, or the network is. */
export class Unreachable extends Error {
  constructor() {
    super("The server does not answer.");
  }
}

const TITLES: Record<number, string> = {
  400: "The request could not be understood",
  401: "A key is needed",
  403: "This key may not do that",
  404: "Not found",
  408: "The request took too long to arrive",
  413: "Too large",
  415: "This kind of file is not taken",
  422: "The request was refused",
  429: "Too many requests",
  500: "A fault in the server",
  502: "The server cannot be reached",
  503: "The server is busy",
  504: "The server cannot be reached",
};

/** What to make of a status whose answer says nothing itself: such answers come from what stands before the server. */
const SILENT: Record<number, string> = {
  408: "Send fewer or smaller images at once, or over a better line.",
  413: "A proxy before the server may take less than the server itself. Send fewer or smaller images at once.",
  502: "A proxy before it answers in its place. Try again in a moment.",
  504: "A proxy before it waited for it in vain. Try again in a moment.",
};

/** `Retry-After` as seconds or as a date; milliseconds from `now`, null where absent or unreadable. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null || header.trim() === "") return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** Longer than any sentence of the server; what is longer comes from elsewhere. */
const LONGEST = 600;

type Bag = Record<string, unknown>;
const isBag = (value: unknown): value is Bag => typeof value === "object" && value !== null && !Array.isArray(value);
const textOf = (value: unknown): string => (typeof value === "string" ? value.trim().slice(0, LONGEST) : "");

/** A list of faults, or nothing: whatever has another shape is left out. A place told as text, as by servers before this one, is read as one. */
function faultsOf(value: unknown): Fault[] {
  if (!Array.isArray(value)) return [];
  return value.filter(isBag).flatMap(({ loc, msg }) => {
    const steps = Array.isArray(loc) ? loc : typeof loc === "string" && loc ? loc.split(".") : [];
    const places = steps.filter((step) => typeof step === "string" || typeof step === "number");
    return textOf(msg) ? [{ loc: places.map((step) => (/^\d+$/.test(String(step)) ? Number(step) : step)), msg: textOf(msg) }] : [];
  });
}

/** Reads an answer's body as far as it can be read: a problem document, JSON of others, plain text; a page of HTML says nothing. */
function read(body: string): Bag {
  try {
    const found: unknown = JSON.parse(body);
    return isBag(found) ? found : { detail: found };
  } catch {
    return /^\s*</.test(body) ? {} : { detail: body };
  }
}

/** Reads a problem from any answer that is not a success, whether or not its body is a problem document. */
export async function problemOf(response: Response, now: number): Promise<Problem> {
  // A body that breaks off is no body: the status alone has to do.
  const found = read(await response.text().catch(() => ""));
  const said = [found.detail, found.message, found.error, isBag(found.error) ? found.error.message : ""];
  return new Problem(
    response.status,
    textOf(found.title) || TITLES[response.status] || `The server answered with status ${response.status}`,
    said.map(textOf).find(Boolean) ?? SILENT[response.status] ?? "",
    {
      slug: textOf(found.type).split(":").at(-1),
      requestId: textOf(found.request_id) || response.headers.get("X-Request-ID"),
      retryAfterMs: retryAfterMs(response.headers.get("Retry-After"), now),
      faults: [...faultsOf(found.errors), ...faultsOf(found.detail)],
    },
  );
}

/** A success whose body is not what was asked for: a sign-in page, say, of what stands before the server. */
export function unintelligible(response: Response): Problem {
  return new Problem(
    response.status,
    "The answer cannot be understood",
    "Something before the server, a proxy or a page to sign in, seems to have answered in its place. Load this page again.",
    { requestId: response.headers.get("X-Request-ID") },
  );
}

/** “image 3”, “query › limit”: a place of a request for people, who count from one. */
function placeOf({ loc }: Fault): string {
  const [first, number] = loc;
  if (loc.length === 2 && first === "images" && typeof number === "number") return `image ${number + 1}`;
  return loc.join(" › ");
}

/** The sentence, then each fault that it does not tell already. */
function sentenceOf({ detail, faults }: Problem): string {
  const more = faults.filter(({ msg }) => !detail.includes(msg)).slice(0, 5);
  return [detail, ...more.map((fault) => [placeOf(fault), fault.msg].filter(Boolean).join(": "))].filter(Boolean).join(" ");
}

export interface Words {
  title: string;
  text: string;
}

const ROLE_FOR: Record<string, string> = {
  history: "History and stored images need a key with the role “review”.",
  monitor: "The monitor and its alarms need a key with the role “review”.",
  reload: "Loading models anew needs a key with the role “admin”.",
};

/** A title and a sentence for whatever was thrown; `what` says what was being done. */
export function words(error: unknown, what?: keyof typeof ROLE_FOR): Words {
  if (error instanceof Unreachable) {
    return {
      title: "The server does not answer",
      text: "It may have been stopped, or the network is down. The page tries again by itself.",
    };
  }
  if (!(error instanceof Problem)) {
    return { title: "Something went wrong in this page", text: error instanceof Error ? error.message : String(error) };
  }
  const said = sentenceOf(error);
  switch (error.status) {
    case 401:
      return { title: "A key is needed", text: "The server wants a valid key. Enter one to go on." };
    case 403:
      return {
        title: "This key may not do that",
        text: (what && ROLE_FOR[what]) ?? (said || "Ask whoever runs the server for a key with a higher role."),
      };
    case 404:
      return { title: "Not found", text: said || "It may have been removed by the retention rule, or never existed." };
    case 429:
    case 503:
      return { title: error.title, text: said || "The server asks to try again a little later." };
    default:
      return { title: error.title, text: said };
  }
}
