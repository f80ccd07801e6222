/** Conformance of values: bounds of Boxes, lengths and characters of Texts (F-1). */

import { boundAt } from "./bounds.js";
import { type ElementType, elementType, numberOf } from "./dtypes.js";
import { step } from "./errors.js";
import type { Box, Key, Space, Text } from "./spaces.js";
import type { GraphValue, OneOfValue, Tensor, Value } from "./values.js";

/** What is done with values that do not conform: sent, sent and reported, or refused (F-2). */
export type Validation = "off" | "warn" | "strict";

/** A position at which a value does not conform to its space. */
export interface Nonconformity {
  readonly path: string;
  readonly expected: string;
  readonly actual: string;
}

/**
 * Where a value does not conform, one for each leaf of a value that is at fault.
 *
 * @param value One that the space's codec has decoded or would encode.
 * @param path What the paths begin with.
 */
export function* nonconformities(space: Space, value: Value, path = ""): Generator<Nonconformity> {
  switch (space.family) {
    case "box":
      yield* inBox(space, value as Tensor, path);
      break;
    case "text":
      yield* inText(space, value as string, path);
      break;
    default:
      for (const [child, part, at] of parts(space, value)) {
        yield* nonconformities(child, part, path + at);
      }
  }
}

/** The values inside a value with their spaces, each with its step. */
function* parts(space: Space, value: Value): Generator<readonly [Space, Value, string]> {
  switch (space.family) {
    case "dict":
      for (const [key, child] of space.entries) {
        yield [child, (value as ReadonlyMap<Key, Value>).get(key) as Value, step(key)];
      }
      break;
    case "tuple":
      for (const [at, child] of space.spaces.entries()) {
        yield [child, (value as readonly Value[])[at] as Value, step(at)];
      }
      break;
    case "sequence":
      for (const [at, element] of (value as readonly Value[]).entries()) {
        yield [space.space, element, step(at)];
      }
      break;
    case "graph": {
      const { nodes, edges } = value as GraphValue;
      yield* nodes.map((node) => [space.nodeSpace, node, ".nodes"] as const);
      const { edgeSpace } = space;
      yield* edgeSpace ? (edges ?? []).map((edge) => [edgeSpace, edge, ".edges"] as const) : [];
      break;
    }
    case "one_of": {
      const { index, value: chosen } = value as OneOfValue;
      yield [space.spaces[index] as Space, chosen, step(index)];
    }
  }
}

function* inBox(space: Box, value: Tensor, path: string): Generator<Nonconformity> {
  const type = elementType(space.dtype);
  if (holdsAll(space, type)) {
    return;
  }
  for (const [at, element] of value.data.entries()) {
    const [low, high] = [boundAt(space.low, type, at), boundAt(space.high, type, at)];
    const number = numberOf(type, element);
    // Not a pair of < and >, which would take NaN.
    if (!(low <= number && number <= high)) {
      yield { path, expected: `${low} to ${high}`, actual: `${number} at element ${at}` };
      return;
    }
  }
}

/** Whether every element of the dtype is within the bounds, as in an image of all colors. */
function holdsAll({ low, high }: Box, { range }: ElementType): boolean {
  if (range === null || low.form !== "uniform" || high.form !== "uniform") {
    return false;
  }
  return BigInt(low.elements[0] ?? 1) === range[0] && BigInt(high.elements[0] ?? 0) === range[1];
}

function* inText(space: Text, value: string, path: string): Generator<Nonconformity> {
  const characters = [...value];
  const { minLength, maxLength } = space;
  if (characters.length < minLength || characters.length > maxLength) {
    const expected = `${minLength} to ${maxLength} characters`;
    yield { path, expected, actual: String(characters.length) };
    return;
  }
  const charset = new Set(space.charset);
  const stranger = characters.find((character) => !charset.has(character));
  if (stranger !== undefined) {
    yield { path, expected: "characters of the charset", actual: JSON.stringify(stranger) };
  }
}
