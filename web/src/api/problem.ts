/** What can go wrong between the console and the server, in words for a person. */

interface ProblemDocument {
  type?: string;
  title?: string;
  detail?: string;
  request_id?: string;
  errors?: { loc?: (string | number)[]; msg?: string }[];
}

/** The server answered, but not with what was asked for (RFC 9457). */
export class Problem extends Error {
  readonly slug: string;
  readonly requestId: string | null;
  readonly fields: readonly string[];

  constructor(
    readonly status: number,
    readonly title: string,
    readonly detail: string,
    options: { slug?: string; requestId?: string | null; retryAfterMs?: number | null; fields?: string[] } = {},
  ) {
    super(detail || title);
    this.slug = options.slug ?? "";
    this.requestId = options.requestId ?? null;
    this.retryAfterMs = options.retryAfterMs ?? null;
    this.fields = options.fields ?? [];
  }

  /** How long the server asked to wait, in milliseconds; null if it did not say. */
  readonly retryAfterMs: number | null;

  /** Too busy, draining or without its store: the same request may succeed later. */
  get passing(): boolean {
    return this.status === 429 || this.status === 503;
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
  413: "Too large",
  415: "This kind of file is not taken",
  422: "The request was refused",
  429: "Too many requests",
  503: "The server is busy",
};

/** `Retry-After` as seconds or as a date; milliseconds from `now`, null where absent or unreadable. */
export function retryAfterMs(header: string | null, now: number): number | null {
  if (header === null || header.trim() === "") return null;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const at = Date.parse(header);
  return Number.isNaN(at) ? null : Math.max(0, at - now);
}

/** Reads a problem from any answer that is not a success, whether or not its body is a problem document. */
export async function problemOf(response: Response, now: number): Promise<Problem> {
  let document: ProblemDocument = {};
  try {
    const body: unknown = await response.json();
    if (typeof body === "object" && body !== null) document = body as ProblemDocument;
  } catch {
    // A proxy's page, or nothing: the status alone has to do.
  }
  const fields = Array.isArray(document.errors)
    ? document.errors.map((e) => [e.loc?.join(" › "), e.msg].filter(Boolean).join(": "))
    : [];
  return new Problem(
    response.status,
    document.title ?? TITLES[response.status] ?? `The server answered with status ${response.status}`,
    typeof document.detail === "string" ? document.detail : "",
    {
      slug: document.type?.split(":").at(-1),
      requestId: document.request_id ?? response.headers.get("X-Request-ID"),
      retryAfterMs: retryAfterMs(response.headers.get("Retry-After"), now),
      fields,
    },
  );
}

export interface Words {
  title: string;
  text: string;
}

const ROLE_FOR: Record<string, string> = {
  history: "History and stored images need a key with the role “review”.",
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
  const said = [error.detail, ...error.fields].filter(Boolean).join(" ");
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
