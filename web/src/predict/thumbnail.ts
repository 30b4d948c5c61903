/** Small pictures of files, to show after a reload, when the files themselves are out of reach. */

/** Pixels of the longest side: twice what a result's card shows. */
const SIDE = 176;

/** A JPEG as a data address; null where the browser cannot read the file as a picture. */
export async function thumbnail(file: Blob): Promise<string | null> {
  if (typeof createImageBitmap !== "function") return null;
  try {
    const bitmap = await createImageBitmap(file);
    const scale = Math.min(1, SIDE / Math.max(bitmap.width, bitmap.height));
    const canvas = document.createElement("canvas");
    canvas.width = Math.max(1, Math.round(bitmap.width * scale));
    canvas.height = Math.max(1, Math.round(bitmap.height * scale));
    const context = canvas.getContext("2d");
    if (!context) return null;
    // JPEG knows no transparency: without a ground it would be black.
    context.fillStyle = "#fff";
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    bitmap.close();
    return canvas.toDataURL("image/jpeg", 0.75);
  } catch {
    return null;
  }
}
