/** Image files from a drop, a paste or a chooser; folders are walked. */

const IMAGE = /\.(jpe?g|png|webp|gif|bmp|tiff?|avifs?|hei[cf]s?|hif|jfif|jpe|mpo|jp2|j2k|ico|tga|p[bgnp]m)$/i;

/** Whether it is worth sending: the server decides, but a folder's text files need not travel. */
export function looksLikeImage(file: File): boolean {
  return file.type.startsWith("image/") || IMAGE.test(file.name);
}

/** Hidden files and what operating systems leave in folders. */
export function isLitter(name: string): boolean {
  return name.startsWith(".") || /^(thumbs\.db|desktop\.ini)$/i.test(name);
}

export interface Gathered {
  files: File[];
  /** Names of files that are no images. */
  skipped: string[];
}

export function sift(all: Iterable<File>): Gathered {
  const files: File[] = [];
  const skipped: string[] = [];
  for (const file of all) {
    if (isLitter(file.name)) continue;
    if (looksLikeImage(file)) files.push(file);
    else skipped.push(file.name);
  }
  return { files, skipped };
}

/** All files of a drop, folders walked in name order. */
export async function dropped(transfer: DataTransfer): Promise<Gathered> {
  // Entries must be taken before the first await: the browser empties the list when the event is over.
  const entries = [...transfer.items]
    .filter((item) => item.kind === "file")
    .map((item) => item.webkitGetAsEntry?.() ?? null);
  if (entries.length === 0 || entries.includes(null)) return sift(transfer.files);
  const found: File[] = [];
  for (const entry of entries) if (entry) await walk(entry, found);
  return sift(found);
}

async function walk(entry: FileSystemEntry, found: File[]): Promise<void> {
  if (entry.isFile) {
    found.push(await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject)));
    return;
  }
  const reader = (entry as FileSystemDirectoryEntry).createReader();
  const inside: FileSystemEntry[] = [];
  // A reader gives a hundred entries at a time, and an empty list at the end.
  for (;;) {
    const some = await new Promise<FileSystemEntry[]>((resolve, reject) => reader.readEntries(resolve, reject));
    if (some.length === 0) break;
    inside.push(...some);
  }
  inside.sort((a, b) => a.name.localeCompare(b.name));
  for (const child of inside) await walk(child, found);
}
