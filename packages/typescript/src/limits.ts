/** The default limits of CONTRACT.md §15, and the check of extents. */

import { limitExceeded } from "./errors.js";

/** Levels of a space, and of a self-describing value (S-2, D-7). */
export const DEPTH = 24;
/** Leaves of one space. */
export const LEAVES = 4096;
/** `Space` messages in one space. */
export const SPACES = 16_384;
/** Dimensions of a leaf. */
export const LEAF_DIMENSIONS = 31;
/** Dimensions of a tensor or an object array. */
export const TENSOR_DIMENSIONS = 32;
/** Bytes of one leaf of one value. */
export const LEAF_BYTES = 268_435_456;
/** Values at one place of the walk. */
export const PLACE_VALUES = 16_777_216;
/** Values without a byte (M-8), and how many more for each byte of the slabs. */
export const FREE_VALUES = 65_536;
export const FREE_VALUES_PER_BYTE = 4;
/** Elements of one object array, list or map. */
export const CONTAINER_ELEMENTS = 1_048_576;
/** `DynamicValue` messages in one message. */
export const DYNAMIC_VALUES = 4_194_304;
/** Bytes of one key. */
export const KEY_BYTES = 65_536;
/** Bytes of a big integer. */
export const BIG_INT_BYTES = 65_536;

const EXTENT = 2n ** 63n - 1n;

/**
 * A shape as numbers, once M-6 and the limit on dimensions hold.
 *
 * An extent above 2^53 - 1, which is possible only beside an extent of 0, is refused too: a number
 * of JavaScript cannot distinguish it from its neighbours.
 */
export function checkedShape(
  shape: readonly bigint[],
  size: number,
  dimensions: number,
  path: string,
): number[] {
  if (shape.length > dimensions) {
    throw limitExceeded(path, `at most ${dimensions} dimensions`, String(shape.length));
  }
  const product = shape.reduce((all, extent) => all * (extent || 1n), BigInt(size));
  if (product > EXTENT) {
    throw limitExceeded(path, "at most 2^63 - 1 bytes by the extents other than 0", `[${shape}]`);
  }
  if (shape.some((extent) => extent > Number.MAX_SAFE_INTEGER)) {
    throw limitExceeded(path, "extents of at most 2^53 - 1", `[${shape}]`);
  }
  return shape.map(Number);
}

/** Refuse more than a limit. */
export function checkLimit(found: number, limit: number, what: string, path: string): void {
  if (found > limit) {
    throw limitExceeded(path, `at most ${limit} ${what}`, String(found));
  }
}
