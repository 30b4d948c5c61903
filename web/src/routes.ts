/** Pages stand in the address after the hash: `#/history?verdict=review&id=…`. */

/**
 * The console's pages, in the order of the navigation.
 *
 * A line here makes a page's address (its name), its entry in the navigation and its window's title, and its shortcut (`g`,
 * then its key). What it shows is the component in `pages/` that is called as its title. `at` says where it is shown: on the
 * server that answers predictions, or at a desk where a data set is worked on, whose `whoami` names the pages it has. `role`: only
 * callers of this very role have it.
 */
export const PAGES = [
  { name: "predict", title: "Predict", key: "p", at: "server" },
  { name: "models", title: "Models", key: "m", at: "server" },
  { name: "history", title: "History", key: "h", at: "server" },
  { name: "monitor", title: "Monitor", key: "o", at: "server" },
  { name: "rollout", title: "Rollout", key: "t", at: "server", role: "admin" },
  { name: "review", title: "Review", key: "r", at: "server", role: "review" },
  { name: "clean", title: "Clean", key: "c", at: "desk" },
  { name: "duplicates", title: "Duplicates", key: "d", at: "desk" },
  { name: "gotchas", title: "Gotchas", key: "a", at: "desk" },
  { name: "label", title: "Label", key: "l", at: "desk" },
] as const;
export type Page = (typeof PAGES)[number];
export type PageName = Page["name"];

export const START: Page = PAGES[0];

export interface Who {
  role: string | null;
  desk?: { pages: readonly string[] } | null;
  /** A rollout is live, and this caller reaches the review queue and nothing else. */
  blind?: boolean;
}

/** The pages that whoever answers has for this caller, the start first; a desk names its own, in its order. Never none. */
export function pagesOf(who: Who | null): readonly Page[] {
  const desk = who?.desk;
  if (!desk) {
    if (who?.blind) return PAGES.filter(({ name }) => name === "review");
    return PAGES.filter((page) => page.at === "server" && (!("role" in page) || page.role === who?.role));
  }
  const named = desk.pages.flatMap((name) => PAGES.find((page) => page.at === "desk" && page.name === name) ?? []);
  return named.length > 0 ? named : PAGES.filter(({ at }) => at === "desk");
}

export interface Route {
  page: Page;
  query: URLSearchParams;
}

/** Anything unknown is the first page of the server; whoever knows that a desk answers goes on to its first. */
export function parse(hash: string): Route {
  const [path = "", search = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  const page = PAGES.find(({ name }) => name === path) ?? START;
  return { page, query: new URLSearchParams(search) };
}

export function format(page: PageName, query: URLSearchParams | Record<string, string> = {}): string {
  const search = new URLSearchParams(query).toString();
  return `#/${page}${search ? `?${search}` : ""}`;
}
