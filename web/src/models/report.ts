/**
 * A report in a frame, for callers with a key.
 *
 * A frame sends no key with its address, so the page fetches the report and hands its text to a frame without scripts. Such
 * a document falls under this page's content-security policy, which knows no inline styles; they are put in through the
 * object model instead, after the document has been made.
 */

const STYLE = /<style\b[^>]*>([\s\S]*?)<\/style>/gi;

/**
 * The report without what must not or need not be in the frame; inline styles wait in `data-style`.
 *
 * Styles are taken out of the text: a parsed document, shown or not, is already under the policy.
 */
export function prepared(html: string): { html: string; css: string } {
  const css = [...html.matchAll(STYLE)].map(([, text]) => text).join("\n");
  const bare = html.replace(STYLE, "").replace(/<[a-z][^>]*>/gi, (tag) => tag.replace(/\sstyle\s*=/gi, " data-style="));
  const page = new DOMParser().parseFromString(bare, "text/html");
  for (const element of page.querySelectorAll("script, meta[http-equiv], link, base, iframe, object, embed")) element.remove();
  return { html: `<!doctype html>${page.documentElement.outerHTML}`, css };
}

/** Puts the styles into the loaded frame. */
export function dress(frame: HTMLIFrameElement, css: string): void {
  const page = frame.contentDocument;
  const view = frame.contentWindow as (Window & typeof globalThis) | null;
  if (!page || !view) return;
  const sheet = new view.CSSStyleSheet();
  sheet.replaceSync(css);
  page.adoptedStyleSheets = [sheet];
  for (const element of page.querySelectorAll<HTMLElement>("[data-style]")) {
    element.style.cssText = element.getAttribute("data-style") ?? "";
  }
}
