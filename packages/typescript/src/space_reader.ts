/** Space messages to spaces, every rule of CONTRACT.md §11 checked. */

import type * as proto from "@rlmesh/proto/spaces/v1/space_pb";

import { canonicalBounds, checkedBounds } from "./bounds.js";
import { count, type ElementType, elementsOf, elementTypeOf } from "./dtypes.js";
import { malformed, step, unsupported } from "./errors.js";
import { checkedShape, checkLimit, DEPTH, KEY_BYTES, LEAF_BYTES } from "./limits.js";
import { LEAF_DIMENSIONS, LEAVES, SPACES } from "./limits.js";
import * as spaces from "./spaces.js";
import { utf8Of } from "./text.js";

/**
 * The space of a message.
 *
 * @param path What the path of a refusal begins with, such as "observation_space".
 * @throws CodecError at the first rule that is broken.
 */
export function readSpace(message: proto.Space, path = ""): spaces.Space {
  return new Reader().space(message, path, 1);
}

/** Reads one space, and counts what is in it. */
class Reader {
  private spaces = 0;
  private leaves = 0;

  space(message: proto.Space, path: string, level: number): spaces.Space {
    if (level > DEPTH) {
      throw malformed(path, `at most ${DEPTH} levels of spaces`, "a deeper one");
    }
    checkLimit(++this.spaces, SPACES, "spaces in one", path);
    const leaf = readLeaf(message.kind, path);
    if (leaf !== null) {
      checkLimit(++this.leaves, LEAVES, "leaves in one space", path);
      return leaf;
    }
    return this.container(message.kind, path, level);
  }

  private container(kind: proto.Space["kind"], path: string, level: number): spaces.Space {
    switch (kind.case) {
      case "dict":
        return this.dict(kind.value, path, level);
      case "tuple":
        return { family: "tuple", spaces: this.each(kind.value.spaces, path, level) };
      case "sequence": {
        const space = present(kind.value.space, path, "the space of a Sequence");
        const { stacked } = kind.value;
        return { family: "sequence", space: this.space(space, path, level + 1), stacked };
      }
      case "graph":
        return this.graph(kind.value, path, level);
      case "oneOf":
        if (kind.value.spaces.length === 0) {
          throw malformed(path, "at least one alternative", "none");
        }
        return { family: "one_of", spaces: this.each(kind.value.spaces, path, level) };
      default:
        throw unsupported(path, "a family of this spec", "none, or one of a newer spec");
    }
  }

  private each(messages: proto.Space[], path: string, level: number): spaces.Space[] {
    return messages.map((space, at) => this.space(space, path + step(at), level + 1));
  }

  private dict(message: proto.Dict, path: string, level: number): spaces.Dict {
    const seen = new Set<spaces.Key>();
    const entries = message.entries.map((entry): [spaces.Key, spaces.Space] => {
      const key = readKey(entry, path);
      if (seen.has(key)) {
        throw malformed(path, "distinct keys", `${step(key)} twice`);
      }
      seen.add(key);
      const at = path + step(key);
      return [key, this.space(present(entry.space, at, "a space"), at, level + 1)];
    });
    return { family: "dict", entries, insertionOrdered: message.insertionOrdered };
  }

  private graph(message: proto.Graph, path: string, level: number): spaces.Graph {
    const node = present(message.nodeSpace, path, "a node space");
    const nodeSpace = this.features(node, `${path}.nodes`, level);
    const edge = message.edgeSpace;
    const edgeSpace = edge ? this.features(edge, `${path}.edges`, level) : null;
    return { family: "graph", nodeSpace, edgeSpace };
  }

  private features(message: proto.Space, path: string, level: number): spaces.Space {
    const space = this.space(message, path, level + 1);
    if (spaces.isSlabless(space)) {
      throw malformed(path, "features that have a slab", `a ${space.family} without one`);
    }
    return space;
  }
}

function present<T>(message: T | undefined, path: string, what: string): T {
  if (message === undefined) {
    throw malformed(path, what, "none");
  }
  return message;
}

function readKey(entry: proto.DictEntry, path: string): spaces.Key {
  const { key } = entry;
  if (key.case === undefined) {
    throw malformed(path, "a key for each entry", "none");
  }
  if (key.case === "name") {
    checkLimit(utf8Of(key.value)?.length ?? 0, KEY_BYTES, "bytes in a key", path);
  }
  return key.value;
}

/** The leaf of a kind, or null if the kind is not that of a leaf. */
function readLeaf(kind: proto.Space["kind"], path: string): spaces.Space | null {
  switch (kind.case) {
    case "box":
      return readBox(kind.value, path);
    case "discrete":
      return readDiscrete(kind.value, path);
    case "multiBinary":
      return readMultiBinary(kind.value, path);
    case "multiDiscrete":
      return readMultiDiscrete(kind.value, path);
    case "text":
      return readText(kind.value, path);
    default:
      return null;
  }
}

function readShape(message: { shape: bigint[] }, size: number, path: string): number[] {
  const shape = checkedShape(message.shape, size, LEAF_DIMENSIONS, path);
  checkLimit(count(shape) * size, LEAF_BYTES, "bytes in a leaf", path);
  return shape;
}

function readBox(message: proto.Box, path: string): spaces.Box {
  const type = elementTypeOf(message.dtype, path);
  const shape = readShape(message, type.size, path);
  const low = checkedBounds(message.low, type, count(shape), `${path}`, "low");
  const high = checkedBounds(message.high, type, count(shape), `${path}`, "high");
  const box: spaces.Box = { family: "box", dtype: type.name, shape, low, high };
  return canonicalBounds(box, path);
}

function integerType(message: { dtype: number }, path: string): ElementType {
  const type = elementTypeOf(message.dtype, path);
  if (type.range === null) {
    throw malformed(path, "an integer dtype", type.name);
  }
  return type;
}

/** Integers of exactly `length` elements. */
function readIntegers(
  type: ElementType,
  bytes: Uint8Array,
  length: number,
  path: string,
): bigint[] {
  if (bytes.length !== length * type.size) {
    throw malformed(path, `${length * type.size} bytes`, String(bytes.length));
  }
  return Array.from(elementsOf(type, bytes), BigInt);
}

/** Check that start, start + 1, ..., start + n - 1 is not empty and representable (S-7, S-9). */
function checkRange(type: ElementType, n: bigint, start: bigint, path: string): void {
  if (n < 1n) {
    throw malformed(path, "at least one choice", String(n));
  }
  if (type.range !== null && start + n - 1n > type.range[1]) {
    throw malformed(path, `choices that are ${type.name}`, `up to ${start + n - 1n}`);
  }
}

function readDiscrete(message: proto.Discrete, path: string): spaces.Discrete {
  const type = integerType(message, path);
  const { n } = message;
  const starts = message.start.length ? readIntegers(type, message.start, 1, path) : [];
  const start = starts[0] ?? 0n;
  checkRange(type, n, start, path);
  return { family: "discrete", dtype: type.name, n, start };
}

function readMultiBinary(message: proto.MultiBinary, path: string): spaces.MultiBinary {
  const shape = readShape(message, 1, path);
  if (shape.length === 0) {
    throw malformed(path, "at least one dimension", "none");
  }
  if (message.flat && shape.length !== 1) {
    throw malformed(path, "one dimension where it is flat", String(shape.length));
  }
  return { family: "multi_binary", shape, flat: message.flat };
}

function readMultiDiscrete(message: proto.MultiDiscrete, path: string): spaces.MultiDiscrete {
  const type = integerType(message, path);
  const shape = readShape(message, type.size, path);
  const nvec = readIntegers(type, message.nvec, count(shape), path);
  const start = message.start.length
    ? readIntegers(type, message.start, count(shape), path)
    : nvec.map(() => 0n);
  nvec.forEach((n, at) => checkRange(type, n, start[at] ?? 0n, path));
  return { family: "multi_discrete", dtype: type.name, shape, nvec, start };
}

function readText(message: proto.Text, path: string): spaces.Text {
  const { minLength, maxLength, charset } = message;
  if (minLength > maxLength) {
    throw malformed(path, "min_length of at most max_length", `${minLength} and ${maxLength}`);
  }
  const characters = [...charset];
  if (characters.length === 0) {
    throw malformed(path, "a charset", "an empty one");
  }
  if (new Set(characters).size !== characters.length) {
    throw malformed(path, "distinct characters in the charset", "one twice");
  }
  return { family: "text", minLength, maxLength, charset };
}
