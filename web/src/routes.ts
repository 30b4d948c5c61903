/** Pages stand in the address after the hash: `#/history?verdict=review&id=…`. */

/**
 * The console's pages, in the order of the navigation; the first is the start.
 *
 * A line here makes a page's address (its name), its entry in the navigation and its window's title, and its shortcut (`g`,
 * then its key). What it shows is the component in `pages/` that is called as its title.
 */
export const PAGES = [
  { name: "predict", title: "Predict", key: "p" },
  { name: "models", title: "Models", key: "m" },
  { name: "history", title: "History", key: "h" },
  { name: "monitor", title: "Monitor", key: "o" },
] as const;
export type Page = (typeof PAGES)[number];
export type PageName = Page["name"];

export const START: Page = PAGES[0];

export interface Route {
  page: Page;
  query: URLSearchParams;
}

/** Anything unknown is the first page. */
export function parse(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const page = PAGES.find(({ name }) => name === path) ?? START;
  return { page, query: new URLSearchParams(search) };
}

export function format(page: PageName, query: URLSearchParams | Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${page}${search ? `?${search}` : ""}`;
}
