/** Keys that work all over a page. */

/** Whether a key press belongs to a field, a dialog or a shortcut of the browser. */
export function isTaken(event: KeyboardEvent): boolean {
  if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey) return true;
  const target = event.target as HTMLElement | null;
  if (document.querySelector("dialog[open]")) return true;
  // Arrows choose among radio buttons; letters and digits mean nothing there.
  if (target?.closest?.("input[type=radio]")) return event.key.startsWith("Arrow") || event.key === " ";
  return Boolean(target?.closest?.("input:not([type=checkbox]):not([type=range]), select, textarea, [contenteditable]"));
}

/** Steps through a list with the arrow keys or j and k; −1, 0 or 1. `columns` lets up and down move by rows of a grid. */
export function step(event: KeyboardEvent, columns = 1): number {
  switch (event.key) {
    case "j":
      return 1;
    case "k":
      return -1;
    case "ArrowDown":
      return columns;
    case "ArrowUp":
      return -columns;
    case "ArrowRight":
      return columns > 1 ? 1 : 0;
    case "ArrowLeft":
      return columns > 1 ? -1 : 0;
    default:
      return 0;
  }
}

/** The index after a step: stays within the list, and starts at its first where nothing is chosen. */
export function stepped(index: number, by: number, length: number): number {
  if (length === 0) return -1;
  if (index < 0) return 0;
  const wanted = index + by;
  if (wanted < 0 || wanted >= length) return Math.abs(by) > 1 ? index : Math.min(length - 1, Math.max(0, wanted));
  return wanted;
}

/** How many items of a grid stand beside each other. */
export function columnsOf(items: ArrayLike<HTMLElement>): number {
  const first = items[0];
  if (!first) return 1;
  let columns = 1;
  while (columns < items.length && items[columns]!.offsetTop === first.offsetTop) columns += 1;
  return items.length > 1 ? columns : 1;
}
