/** Where the reader is; follows the address. */

import { format, parse, type Page, type Route } from "./routes";

class Place {
  route = $state.raw<Route>(parse(location.hash));

  constructor() {
    window.addEventListener("hashchange", () => (this.route = parse(location.hash)));
  }

  go(page: Page, query: URLSearchParams | Record<string, string> = {}): void {
    location.hash = format(page, query);
  }

  /** Changes the address without a step in the browser's history. */
  replace(page: Page, query: URLSearchParams | Record<string, string> = {}): void {
    history.replaceState(history.state, "", format(page, query));
    this.route = parse(location.hash);
  }
}

export const place = new Place();
