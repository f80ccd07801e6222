/** Self-describing values to messages, in the form that a writer sends (D-2). */

import { create, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import type * as proto from "@rlmesh/proto/spaces/v1/value_pb";

import { bytesOf, elementType } from "./dtypes.js";
import type { Dynamic, DynamicMap, DynamicScalar, DynamicTensor } from "./dynamic.js";
import { readDynamic } from "./dynamic_reader.js";
import { malformed } from "./errors.js";
import { DynamicValueSchema, floatOf } from "./exact.js";
import { DEPTH } from "./limits.js";

type Init = MessageInitShape<typeof DynamicValueSchema>;
type Kind = NonNullable<Init["kind"]>;

/**
 * The bytes of a value.
 *
 * @param path What the path of a refusal begins with.
 * @throws CodecError if the value breaks a rule of the contract, as a reader would.
 */
export function serializeDynamic(value: Dynamic, path = ""): Uint8Array {
  return toBinary(DynamicValueSchema, writeDynamic(value, path));
}

/**
 * The message of a value, to be serialised by this package's `DynamicValueSchema`.
 *
 * @param path What the path of a refusal begins with.
 * @throws CodecError if the value breaks a rule of the contract, as a reader would.
 */
export function writeDynamic(value: Dynamic, path = ""): proto.DynamicValue {
  const message = create(DynamicValueSchema, initOf(value, path, 1));
  // The reader's checks are the writer's.
  readDynamic(message, path);
  return message;
}

/** The message of a map that stands in another message, such as `info`. */
export function writeDynamicMap(map: DynamicMap, path: string): proto.DynamicMap {
  const { kind } = writeDynamic(map, path);
  if (kind.case !== "mapValue") {
    throw malformed(path, "a map", map.kind);
  }
  return kind.value;
}

/** The message of a list that stands in another message, such as the arguments of a call. */
export function writeDynamicList(elements: readonly Dynamic[], path: string): proto.DynamicList {
  const { kind } = writeDynamic({ kind: "list", elements }, path);
  if (kind.case !== "listValue") {
    throw malformed(path, "a list", String(kind.case));
  }
  return kind.value;
}

function initOf(value: Dynamic, path: string, level: number): Init {
  if (level > DEPTH) {
    throw malformed(path, `at most ${DEPTH} levels`, "a deeper one");
  }
  return { kind: kindOf(value, path, level) };
}

function kindOf(value: Dynamic, path: string, level: number): Kind {
  switch (value.kind) {
    case "list":
      return { case: "listValue", value: { elements: initsOf(value.elements, path, level) } };
    case "tuple":
      return { case: "tupleValue", value: { elements: initsOf(value.elements, path, level) } };
    case "object_array": {
      const shape = value.shape.map(BigInt);
      const elements = initsOf(value.elements, path, level);
      return { case: "objectArrayValue", value: { shape, elements } };
    }
    case "map":
      return { case: "mapValue", value: { entries: entriesOf(value, path, level) } };
    default:
      return simpleOf(value, path);
  }
}

function initsOf(values: readonly Dynamic[], path: string, level: number): Init[] {
  return values.map((value) => initOf(value, path, level + 1));
}

function entriesOf(map: DynamicMap, path: string, level: number) {
  return map.entries.map(([key, value]) => ({
    key:
      key.kind === "string"
        ? ({ case: "name", value: wellFormed(key.value, path) } as const)
        : ({ case: "other", value: initOf(key, path, level + 1) } as const),
    value: initOf(value, path, level + 1),
  }));
}

type Simple = Exclude<Dynamic, { kind: "list" | "tuple" | "object_array" | "map" }>;

function simpleOf(value: Simple, path: string): Kind {
  switch (value.kind) {
    case "null":
      return { case: "nullValue", value: {} };
    case "bool":
      return { case: "boolValue", value: value.value };
    case "int":
      return BigInt.asIntN(64, value.value) === value.value
        ? { case: "intValue", value: value.value }
        : { case: "bigIntValue", value: fewestBytes(value.value) };
    case "float":
      return { case: "floatValue", value: floatOf(value.bits) };
    case "string":
      return { case: "stringValue", value: wellFormed(value.value, path) };
    case "bytes":
      return { case: "bytesValue", value: value.value };
    case "scalar":
      return { case: "scalarValue", value: numbersOf(value, path) };
    case "tensor": {
      const shape = value.shape.map(BigInt);
      return { case: "tensorValue", value: { shape, ...numbersOf(value, path) } };
    }
  }
}

/** A text that UTF-8 can hold: protobuf would silently replace a lone surrogate. */
function wellFormed(text: string, path: string): string {
  if (!text.isWellFormed()) {
    throw malformed(path, "text without lone surrogates", JSON.stringify(text.slice(0, 40)));
  }
  return text;
}

/** Two's complement, little-endian, the fewest bytes whose sign is right. */
function fewestBytes(value: bigint): Uint8Array {
  const bits = (value < 0n ? ~value : value).toString(2).length + 1;
  const size = Math.ceil(bits / 8);
  const digits = BigInt.asUintN(8 * size, value)
    .toString(16)
    .padStart(2 * size, "0");
  return Uint8Array.from({ length: size }, (_, at) => {
    const from = 2 * (size - 1 - at);
    return Number.parseInt(digits.slice(from, from + 2), 16);
  });
}

function numbersOf({ dtype, data }: DynamicScalar | DynamicTensor, path: string) {
  const type = elementType(dtype);
  if (!(data instanceof type.array)) {
    throw malformed(path, `${type.array.name} for ${dtype}`, Object(data).constructor.name);
  }
  return { dtype: type.number, data: bytesOf(type, data) };
}
