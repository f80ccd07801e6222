/** The slabs of a value, taken one after another, each size checked before use (V-3, V-4). */

import { bytesOf, elementsOf, elementType } from "./dtypes.js";
import { invalidValue } from "./errors.js";
import { checkLimit, FREE_VALUES, FREE_VALUES_PER_BYTE, PLACE_VALUES } from "./limits.js";
import type { Value } from "./values.js";

/** One place of the walk of CONTRACT.md §12, for any number of values at a time. */
export interface Plan {
  /** Places of an empty stack: this one, and those inside of a Dict or Tuple (M-8). */
  readonly parts: number;
  /** Number of them that have no byte in any value. */
  readonly free: number;
  /** Append the slabs of the values; each value is checked as a receiver would (F-3). */
  encode(values: readonly Value[], slabs: Uint8Array[]): void;
  /** Take the slabs of `n` values. */
  decode(slabs: SlabReader, n: number): Value[];
}

/** The slabs of a value that came. */
export class SlabReader {
  private taken = 0;
  private free = 0;

  /** @param path The path of the whole value. */
  constructor(
    private readonly slabs: readonly Uint8Array[],
    private readonly path: string,
  ) {}

  /** The next slab, of exactly `size` bytes. */
  take(size: number, path: string): Uint8Array {
    const slab = this.slabs[this.taken];
    if (slab === undefined) {
      throw invalidValue(path, "another slab", `no more than ${this.taken}`);
    }
    if (slab.length !== size) {
      throw invalidValue(path, `${size} bytes in slab ${this.taken}`, String(slab.length));
    }
    this.taken++;
    return slab;
  }

  /** The next slab, of `n` uint32. */
  uint32s(n: number, path: string): number[] {
    return Array.from(elementsOf(UINT32, this.take(n * UINT32.size, path)), Number);
  }

  /** Count values without a byte, and refuse too many before any is made (M-8). */
  checkFree(more: number, path: string): void {
    this.free += more;
    if (this.free <= FREE_VALUES) {
      return;
    }
    const bytes = sum(this.slabs.map((slab) => slab.length));
    const most = FREE_VALUES + FREE_VALUES_PER_BYTE * bytes;
    checkLimit(this.free, most, "values without a byte", path);
  }

  /** Refuse slabs that are left over. */
  end(): void {
    if (this.taken !== this.slabs.length) {
      throw invalidValue(this.path, `${this.taken} slabs`, String(this.slabs.length));
    }
  }
}

const UINT32 = elementType("uint32");
const INT32 = elementType("int32");

/** A slab of uint32, each below 2^32. */
export function uint32Slab(numbers: readonly number[]): Uint8Array {
  return bytesOf(UINT32, Uint32Array.from(numbers));
}

/** A slab of int32. */
export function int32Slab(numbers: readonly number[]): Uint8Array {
  return bytesOf(INT32, Int32Array.from(numbers));
}

/** The int32 of a slab. */
export function int32sOf(slab: Uint8Array): number[] {
  return Array.from(elementsOf(INT32, slab), Number);
}

/** Parts, one after another. */
export function joined(parts: readonly Uint8Array[]): Uint8Array {
  const [first] = parts;
  if (first !== undefined && parts.length === 1) {
    return first;
  }
  const whole = new Uint8Array(sum(parts.map((part) => part.length)));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

/**
 * The sum of lengths or counts. For a few million uint32 it may exceed 2^53, above which it is not
 * exact, but far above every limit and every size that a slab can have.
 */
export function sum(numbers: readonly number[]): number {
  return numbers.reduce((total, number) => total + number, 0);
}

/** `parts` and `free` of a plan that has no slab of its own. */
export function joinedCounts(plans: readonly Plan[]): { parts: number; free: number } {
  const parts = sum(plans.map((plan) => plan.parts));
  const free = sum(plans.map((plan) => plan.free));
  return { parts: parts + 1, free: free + (free === parts ? 1 : 0) };
}

/** Refuse more values at one place than M-1 allows, before anything is made of them. */
export function checkPlace(n: number, path: string): void {
  checkLimit(n, PLACE_VALUES, "values at one place", path);
}
