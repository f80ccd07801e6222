/** Self-describing values (CONTRACT.md §14), kept apart as the schema keeps them apart. */

import type { DTypeName, Elements } from "./dtypes.js";
import { float64FromBits, float64ToBits } from "./floats.js";

/**
 * A self-describing value. Nothing is converted to JavaScript's own types if that would lose
 * something: a float keeps its bits, a map the order and the kinds of its keys.
 */
export type Dynamic =
  | { readonly kind: "null" }
  | { readonly kind: "bool"; readonly value: boolean }
  | { readonly kind: "int"; readonly value: bigint }
  | { readonly kind: "float"; readonly bits: bigint }
  | { readonly kind: "string"; readonly value: string }
  | { readonly kind: "bytes"; readonly value: Uint8Array }
  | DynamicScalar
  | DynamicTensor
  | DynamicObjectArray
  | { readonly kind: "list" | "tuple"; readonly elements: readonly Dynamic[] }
  | DynamicMap;

/** One element with its type: not a tensor without dimensions. */
export interface DynamicScalar {
  readonly kind: "scalar";
  readonly dtype: DTypeName;
  readonly data: Elements;
}

/** An array of numbers, in C order. */
export interface DynamicTensor {
  readonly kind: "tensor";
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly data: Elements;
}

/** An array of values of any kind, in C order. */
export interface DynamicObjectArray {
  readonly kind: "object_array";
  readonly shape: readonly number[];
  readonly elements: readonly Dynamic[];
}

/** Keys with values, in order. */
export interface DynamicMap {
  readonly kind: "map";
  readonly entries: readonly (readonly [Dynamic, Dynamic])[];
}

/** A float of a number's value; every NaN of JavaScript is the one without a payload. */
export function float(value: number): Dynamic {
  return { kind: "float", bits: float64ToBits(value) };
}

/** The number of a float's bits; a NaN's payload is lost. */
export function numberOfFloat(value: { readonly bits: bigint }): number {
  return float64FromBits(value.bits);
}

/** A map of named values. */
export function mapOf(values: Readonly<Record<string, Dynamic>>): DynamicMap {
  const entries = Object.entries(values);
  return { kind: "map", entries: entries.map(([value, one]) => [{ kind: "string", value }, one]) };
}
