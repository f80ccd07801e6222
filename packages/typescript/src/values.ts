/** Values of spaces, as this package holds them. */

import type { DTypeName, Elements } from "./dtypes.js";
import type { Key } from "./spaces.js";

/**
 * A value of a space:
 *
 * | family | value |
 * |---|---|
 * | Box, MultiBinary, MultiDiscrete | `Tensor` |
 * | Discrete | `bigint` |
 * | Text | `string` |
 * | Dict | `Map`, in the order of the space |
 * | Tuple, Sequence (stacked or not) | array |
 * | Graph | `GraphValue` |
 * | OneOf | `OneOfValue` |
 */
export type Value =
  Tensor | bigint | string | ReadonlyMap<Key, Value> | readonly Value[] | GraphValue | OneOfValue;

/** An array of numbers, its elements in C order. */
export interface Tensor {
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly data: Elements;
}

/** A value of a Graph. Null features or links are absent, which is not the same as empty. */
export interface GraphValue {
  readonly nodes: readonly Value[];
  readonly edges: readonly Value[] | null;
  /** Source and target of each edge, as positions in `nodes`. */
  readonly edgeLinks: readonly (readonly [number, number])[] | null;
}

/** A value of a OneOf: which alternative, and a value of it. */
export interface OneOfValue {
  readonly index: number;
  readonly value: Value;
}

/** Whether two shapes are the same. */
export function sameShape(one: readonly number[], other: readonly number[]): boolean {
  return one.length === other.length && one.every((extent, at) => extent === other[at]);
}

/** Whether a value is an object, because a caller in JavaScript may pass values of other types. */
export function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}

/** What a value is, in a few words. */
export function describe(value: unknown): string {
  if (!isObject(value)) {
    return typeof value === "string" ? JSON.stringify(value.slice(0, 40)) : String(value);
  }
  if (value instanceof Map) {
    return `a Map of ${value.size}`;
  }
  return Array.isArray(value) ? `an array of ${value.length}` : "an object";
}
