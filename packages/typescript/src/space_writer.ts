/** Spaces to messages, in the form that a writer sends (S-5, S-7, S-9). */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import * as proto from "@rlmesh/proto/spaces/v1/space_pb";

import { writeBounds } from "./bounds.js";
import { bytesOf, type DTypeName, elementType } from "./dtypes.js";
import { readSpace } from "./space_reader.js";
import type * as spaces from "./spaces.js";

type Kind = NonNullable<MessageInitShape<typeof proto.SpaceSchema>["kind"]>;

/**
 * The message of a space.
 *
 * @param path What the path of a refusal begins with.
 * @throws CodecError if the space breaks a rule of the contract, as a reader would.
 */
export function writeSpace(space: spaces.Space, path = ""): proto.Space {
  // Reading checks every rule and makes the bounds canonical.
  return message(readSpace(message(space), path));
}

function message(space: spaces.Space): proto.Space {
  return create(proto.SpaceSchema, { kind: kindOf(space) });
}

function kindOf(space: spaces.Space): Kind {
  switch (space.family) {
    case "dict":
      return {
        case: "dict",
        value: {
          entries: space.entries.map(entryOf),
          insertionOrdered: space.insertionOrdered ?? false,
        },
      };
    case "tuple":
      return { case: "tuple", value: { spaces: space.spaces.map(message) } };
    case "sequence": {
      const { stacked } = space;
      return { case: "sequence", value: { space: message(space.space), stacked } };
    }
    case "graph": {
      const nodeSpace = message(space.nodeSpace);
      const edgeSpace = space.edgeSpace && { edgeSpace: message(space.edgeSpace) };
      return { case: "graph", value: { nodeSpace, ...edgeSpace } };
    }
    case "one_of":
      return { case: "oneOf", value: { spaces: space.spaces.map(message) } };
    default:
      return leafOf(space);
  }
}

function entryOf([key, space]: readonly [spaces.Key, spaces.Space]): proto.DictEntry {
  const init = { space: message(space) };
  return typeof key === "string"
    ? create(proto.DictEntrySchema, { key: { case: "name", value: key }, ...init })
    : create(proto.DictEntrySchema, { key: { case: "index", value: key }, ...init });
}

function leafOf(
  space: Exclude<spaces.Space, { family: "dict" | "tuple" | "sequence" | "graph" | "one_of" }>,
): Kind {
  switch (space.family) {
    case "box": {
      const type = elementType(space.dtype);
      const [low, high] = [writeBounds(space.low, type), writeBounds(space.high, type)];
      return { case: "box", value: { dtype: type.number, shape: extents(space), low, high } };
    }
    case "discrete": {
      const dtype = elementType(space.dtype).number;
      const start = integers(space.dtype, space.start === 0n ? [] : [space.start]);
      return { case: "discrete", value: { dtype, n: space.n, start } };
    }
    case "multi_binary":
      return { case: "multiBinary", value: { shape: extents(space), flat: space.flat } };
    case "multi_discrete": {
      const dtype = elementType(space.dtype).number;
      const nvec = integers(space.dtype, space.nvec);
      const start = integers(space.dtype, space.start.some(Boolean) ? space.start : []);
      return { case: "multiDiscrete", value: { dtype, shape: extents(space), nvec, start } };
    }
    case "text": {
      const { minLength, maxLength, charset } = space;
      return { case: "text", value: { minLength, maxLength, charset } };
    }
  }
}

function extents(space: { readonly shape: readonly number[] }): bigint[] {
  return space.shape.map(BigInt);
}

/** The bytes of integers of a dtype; one that does not fit is a fault of the space's maker. */
function integers(dtype: DTypeName, numbers: readonly bigint[]): Uint8Array {
  const type = elementType(dtype);
  const elements = new type.array(new ArrayBuffer(numbers.length * type.size));
  numbers.forEach((number, at) => {
    elements[at] = type.size === 8 ? number : Number(number);
    if (BigInt(elements[at] ?? -1) !== number) {
      throw new RangeError(`expected integers that are ${dtype}, got ${number}`);
    }
  });
  return bytesOf(type, elements);
}
