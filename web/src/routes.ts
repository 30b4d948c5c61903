/** Pages stand in the address after the hash: `#/history?verdict=review&id=…`. */

export const PAGES = ["predict", "models", "history"] as const;
export type Page = (typeof PAGES)[number];

export interface Route {
  page: Page;
  query: URLSearchParams;
}

/** Anything unknown is the first page. */
export function parse(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const page = PAGES.find((p) => p === path) ?? "predict";
  return { page, query: new URLSearchParams(search) };
}

export function format(page: Page, query: URLSearchParams | Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${page}${search ? `?${search}` : ""}`;
}
