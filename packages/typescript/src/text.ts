/** Unicode text: strict UTF-8, and characters that are code points, not UTF-16 units. */

// A leading U+FEFF is a character like any other.
const DECODER = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const ENCODER = new TextEncoder();

/** The text of UTF-8, or undefined if the bytes are not valid. */
export function textOf(bytes: Uint8Array): string | undefined {
  try {
    return DECODER.decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) {
      return undefined;
    }
    throw error;
  }
}

/** The UTF-8 of a text, or undefined if it has a lone surrogate. */
export function utf8Of(text: string): Uint8Array | undefined {
  return text.isWellFormed() ? ENCODER.encode(text) : undefined;
}
