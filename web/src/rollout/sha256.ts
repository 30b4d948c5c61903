/** SHA-256 (FIPS 180-4). The browser has its own only on pages that came over HTTPS or from this machine. */

/** The first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const K = fractions(64, 1 / 3);
/** Those of the square roots of the first 8. */
const START = fractions(8, 1 / 2);

function fractions(n: number, power: number): Uint32Array {
  const found = new Uint32Array(n);
  for (let prime = 2, i = 0; i < n; prime += 1) {
    if (Array.from({ length: Math.floor(Math.sqrt(prime)) - 1 }, (_, k) => k + 2).some((k) => prime % k === 0)) continue;
    const root = prime ** power;
    found[i++] = Math.floor((root - Math.floor(root)) * 2 ** 32);
  }
  return found;
}

const turn = (x: number, n: number) => (x >>> n) | (x << (32 - n));
const encoder = new TextEncoder();

/** The digest of a text's UTF-8, as 64 hexadecimal digits. */
export function sha256(text: string): string {
  const bytes = encoder.encode(text);
  const padded = new Uint8Array(((bytes.length + 8) >> 6 << 6) + 64);
  padded.set(bytes);
  padded[bytes.length] = 0x80;
  const view = new DataView(padded.buffer);
  view.setUint32(padded.length - 8, Math.floor(bytes.length / 2 ** 29));
  view.setUint32(padded.length - 4, bytes.length << 3);
  const h = START.slice();
  const w = new Uint32Array(64);
  for (let at = 0; at < padded.length; at += 64) round(view, at, h, w);
  return [...h].map((word) => word.toString(16).padStart(8, "0")).join("");
}

function round(view: DataView, at: number, h: Uint32Array, w: Uint32Array): void {
  for (let i = 0; i < 16; i += 1) w[i] = view.getUint32(at + 4 * i);
  for (let i = 16; i < 64; i += 1) {
    const a = w[i - 15]!;
    const b = w[i - 2]!;
    w[i] = w[i - 16]! + (turn(a, 7) ^ turn(a, 18) ^ (a >>> 3)) + w[i - 7]! + (turn(b, 17) ^ turn(b, 19) ^ (b >>> 10));
  }
  let [a, b, c, d, e, f, g, k] = h as unknown as [number, number, number, number, number, number, number, number];
  for (let i = 0; i < 64; i += 1) {
    const one = (k + (turn(e, 6) ^ turn(e, 11) ^ turn(e, 25)) + ((e & f) ^ (~e & g)) + K[i]! + w[i]!) | 0;
    const two = ((turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [k, g, f, e, d, c, b, a] = [g, f, e, (d + one) | 0, c, b, a, (one + two) | 0];
  }
  [a, b, c, d, e, f, g, k].forEach((word, i) => (h[i] = h[i]! + word));
}
