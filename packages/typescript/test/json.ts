/** Spaces and values to the JSON of the vectors, and values from it. */

import { bytesOf, type DTypeName, elementsOf, type Elements } from "../src/dtypes.js";
import { elementType, numberOf } from "../src/dtypes.js";
import type { Bounds, Key, Space } from "../src/spaces.js";
import type { GraphValue, OneOfValue, Tensor, Value } from "../src/values.js";
import { base64, bytes, type Tagged } from "./vectors.js";

/** A space as JSON, but for the numbers of bounds, which stay numbers. */
export function describeSpace(space: Space): Tagged {
  switch (space.family) {
    case "box": {
      const { dtype, low, high } = space;
      const bounds = { low: describeBounds(dtype, low), high: describeBounds(dtype, high) };
      return { box: { dtype, shape: space.shape.map(String), ...bounds } };
    }
    case "discrete":
      return {
        discrete: { dtype: space.dtype, n: String(space.n), start: String(space.start) },
      };
    case "multi_binary":
      return { multi_binary: { shape: space.shape.map(String), flat: space.flat } };
    case "multi_discrete": {
      const [shape, nvec, start] = [space.shape, space.nvec, space.start].map((all) =>
        Array.from<number | bigint, string>(all, String),
      );
      return { multi_discrete: { dtype: space.dtype, shape, nvec, start } };
    }
    case "text": {
      const { minLength: min_length, maxLength: max_length, charset } = space;
      return { text: { min_length, max_length, charset } };
    }
    case "dict":
      return {
        dict: {
          entries: space.entries.map(([key, child]) => [keyTag(key), describeSpace(child)]),
          insertion_ordered: space.insertionOrdered ?? false,
        },
      };
    case "sequence":
      return { sequence: { space: describeSpace(space.space), stacked: space.stacked } };
    case "graph": {
      const edge_space = space.edgeSpace && describeSpace(space.edgeSpace);
      return { graph: { node_space: describeSpace(space.nodeSpace), edge_space } };
    }
    default:
      return { [space.family]: space.spaces.map(describeSpace) };
  }
}

function describeBounds(dtype: DTypeName, bounds: Bounds): Tagged {
  const type = elementType(dtype);
  const numbers = Array.from<number | bigint, number | bigint>(bounds.elements, (element) =>
    numberOf(type, element),
  );
  const described = { [bounds.form]: bounds.form === "uniform" ? numbers[0] : numbers };
  const marks = Array.from(bounds.unbounded ?? [], Boolean);
  return marks.length === 0
    ? described
    : { ...described, unbounded: marks.every(Boolean) || marks };
}

function keyTag(key: Key): Tagged {
  return typeof key === "string" ? { name: key } : { index: String(key) };
}

/** The JSON of a space with the bounds of its boxes read as numbers of their dtype. */
export function withNumbers(json: unknown): unknown {
  if (Array.isArray(json)) {
    return json.map(withNumbers);
  }
  if (json === null || typeof json !== "object") {
    return json;
  }
  const { box } = json as Tagged;
  if (box === undefined) {
    return Object.fromEntries(
      Object.entries(json).map(([name, part]) => [name, withNumbers(part)]),
    );
  }
  const [low, high] = [box.low, box.high].map((bounds) => numbersIn(bounds, box.dtype));
  return { box: { ...box, low, high } };
}

function numbersIn(bounds: Tagged, dtype: DTypeName): Tagged {
  const { name, size } = elementType(dtype);
  const read = (text: string) => {
    return size === 8 && name !== "float64"
      ? BigInt(text)
      : Number(text.replace("inf", "Infinity"));
  };
  const marks = bounds.unbounded === undefined ? {} : { unbounded: bounds.unbounded };
  return bounds.uniform === undefined
    ? { elementwise: bounds.elementwise.map(read), ...marks }
    : { uniform: read(bounds.uniform), ...marks };
}

/** A value of a space as JSON. */
export function describeValue(space: Space, value: Value): Tagged {
  switch (space.family) {
    case "discrete":
      return { int: String(value) };
    case "text":
      return { text: value };
    case "dict": {
      const children = new Map(space.entries);
      return {
        dict: Array.from(value as ReadonlyMap<Key, Value>, ([key, part]) => {
          return [keyTag(key), describeValue(children.get(key) as Space, part)];
        }),
      };
    }
    case "tuple":
      return { tuple: each(space.spaces, value as Value[]) };
    case "sequence":
      return { sequence: (value as Value[]).map((part) => describeValue(space.space, part)) };
    case "graph": {
      const { nodes, edges, edgeLinks } = value as GraphValue;
      const edgeSpace = space.edgeSpace as Space;
      return {
        graph: {
          nodes: nodes.map((node) => describeValue(space.nodeSpace, node)),
          edges: edges && edges.map((edge) => describeValue(edgeSpace, edge)),
          edge_links: edgeLinks,
        },
      };
    }
    case "one_of": {
      const { index, value: chosen } = value as OneOfValue;
      return { one_of: { index, value: describeValue(space.spaces[index] as Space, chosen) } };
    }
    default:
      return { array: describeTensor(value as Tensor) };
  }
}

function each(spaces: readonly Space[], values: readonly Value[]): Tagged[] {
  return values.map((value, at) => describeValue(spaces[at] as Space, value));
}

/** An array of numbers as JSON. */
export function describeTensor({ dtype, shape, data }: Tensor): Tagged {
  return { dtype, shape, data: base64(bytesOf(elementType(dtype), data)) };
}

/** The value of JSON. */
export function valueOf(json: Tagged): Value {
  const [[kind, body]] = Object.entries(json) as [[string, any]];
  switch (kind) {
    case "array":
      return { dtype: body.dtype, shape: body.shape, data: dataOf(body) };
    case "int":
      return BigInt(body);
    case "text":
      return body;
    case "dict":
      return new Map(
        body.map(([key, part]: [Tagged, Tagged]) => [
          "name" in key ? key.name : BigInt(key.index),
          valueOf(part),
        ]),
      );
    case "tuple":
    case "sequence":
      return body.map(valueOf);
    case "graph": {
      const { nodes, edges, edge_links: edgeLinks } = body;
      return { nodes: nodes.map(valueOf), edges: edges && edges.map(valueOf), edgeLinks };
    }
    case "one_of":
      return { index: body.index, value: valueOf(body.value) };
    default:
      throw new Error(`expected a kind of value, got ${kind}`);
  }
}

/** The elements of an array or a scalar of JSON. */
export function dataOf({ dtype, data }: Tagged): Elements {
  return elementsOf(elementType(dtype), bytes(data));
}
