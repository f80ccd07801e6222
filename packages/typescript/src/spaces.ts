/** Spaces: what a value is drawn from (CONTRACT.md §11). */

import type { DTypeName, Elements } from "./dtypes.js";

/** A space of any family. */
export type Space =
  Box | Discrete | MultiBinary | MultiDiscrete | Text | Dict | Tuple | Sequence | Graph | OneOf;

/** Bounds of a Box in its dtype: one element for all, or all of them in C order. */
export interface Bounds {
  readonly form: "uniform" | "elementwise";
  readonly elements: Elements;
  /** Which integers are unbounded: none if absent, all if one byte, else a byte each (S-16). */
  readonly unbounded?: Uint8Array;
}

/** An array of numbers, bounded element by element. */
export interface Box {
  readonly family: "box";
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly low: Bounds;
  readonly high: Bounds;
}

/** The integers start, start + 1, ..., start + n - 1. */
export interface Discrete {
  readonly family: "discrete";
  readonly dtype: DTypeName;
  readonly n: bigint;
  readonly start: bigint;
}

/** An array of zeros and ones, of int8. */
export interface MultiBinary {
  readonly family: "multi_binary";
  readonly shape: readonly number[];
  /** Declared by one length instead of a shape; it changes no value. */
  readonly flat: boolean;
}

/** An array of integers, each of a range of its own; `nvec` and `start` are in C order. */
export interface MultiDiscrete {
  readonly family: "multi_discrete";
  readonly dtype: DTypeName;
  readonly shape: readonly number[];
  readonly nvec: readonly bigint[];
  readonly start: readonly bigint[];
}

/** A string; lengths count characters, which are code points. */
export interface Text {
  readonly family: "text";
  readonly minLength: number;
  readonly maxLength: number;
  readonly charset: string;
}

/** A key of a Dict: the string "1" and the integer 1n are two. */
export type Key = string | bigint;

/** Named sub-spaces, in order. */
export interface Dict {
  readonly family: "dict";
  readonly entries: readonly (readonly [Key, Space])[];
  /** Declared to keep the order of a plain mapping; it changes no value (S-11). */
  readonly insertionOrdered?: boolean;
}

/** Numbered sub-spaces. */
export interface Tuple {
  readonly family: "tuple";
  readonly spaces: readonly Space[];
}

/** Any number of values of one sub-space. */
export interface Sequence {
  readonly family: "sequence";
  readonly space: Space;
  /** Whether languages that can stack values show them along a first axis; it changes no byte. */
  readonly stacked: boolean;
}

/** Nodes, and edges that join them. */
export interface Graph {
  readonly family: "graph";
  readonly nodeSpace: Space;
  readonly edgeSpace: Space | null;
}

/** One value of one of several sub-spaces. */
export interface OneOf {
  readonly family: "one_of";
  readonly spaces: readonly Space[];
}

/** The spaces directly inside a space. */
export function children(space: Space): readonly Space[] {
  switch (space.family) {
    case "dict":
      return space.entries.map(([, child]) => child);
    case "tuple":
    case "one_of":
      return space.spaces;
    case "sequence":
      return [space.space];
    case "graph":
      return space.edgeSpace === null ? [space.nodeSpace] : [space.nodeSpace, space.edgeSpace];
    default:
      return [];
  }
}

/** Whether values of the space have no slab at all: an empty Dict or Tuple, or nothing but such. */
export function isSlabless(space: Space): boolean {
  const holdsOnly = space.family === "dict" || space.family === "tuple";
  return holdsOnly && children(space).every(isSlabless);
}
