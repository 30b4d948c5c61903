/** What a link of a model card may lead to: pages of the web, mail, and places in the card itself. */
export function safeHref(href: string): string | null {
  return /^(https?:\/\/|mailto:|#)/i.test(href.trim()) ? href.trim() : null;
}

const ENTITIES: Record<string, string> = { "&amp;": "&", "&lt;": "<", "&gt;": ">", "&quot;": '"', "&#39;": "'" };

/** The lexer escapes some texts for HTML; text nodes need none of it. */
export function unescaped(text: string): string {
  return text.replace(/&(amp|lt|gt|quot|#39);/g, (entity) => ENTITIES[entity] ?? entity);
}
