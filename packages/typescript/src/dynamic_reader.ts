/** DynamicValue messages to self-describing values, every rule of CONTRACT.md §14 checked. */

import { fromBinary } from "@bufbuild/protobuf";
import type * as proto from "@rlmesh/proto/spaces/v1/value_pb";

import { badBool, count, elementsOf, elementTypeOf } from "./dtypes.js";
import type { DTypeName, Elements } from "./dtypes.js";
import type { Dynamic, DynamicMap, DynamicObjectArray } from "./dynamic.js";
import { malformed, step } from "./errors.js";
import { bitsOf, DynamicValueSchema } from "./exact.js";
import { BIG_INT_BYTES, checkedShape, checkLimit, CONTAINER_ELEMENTS } from "./limits.js";
import { DEPTH, DYNAMIC_VALUES, KEY_BYTES, TENSOR_DIMENSIONS } from "./limits.js";
import { utf8Of } from "./text.js";

/**
 * The value of a serialised DynamicValue.
 *
 * @param path What the path of a refusal begins with, such as "info".
 * @throws CodecError if the bytes are no message, or one that breaks a rule.
 */
export function parseDynamic(bytes: Uint8Array, path = ""): Dynamic {
  let message: proto.DynamicValue;
  try {
    message = fromBinary(DynamicValueSchema, bytes);
  } catch (error) {
    throw malformed(path, "a DynamicValue message", String(error));
  }
  return readDynamic(message, path);
}

/**
 * The value of a message that was parsed by this package's `DynamicValueSchema`.
 *
 * @param path What the path of a refusal begins with.
 * @throws CodecError at the first rule that is broken.
 */
export function readDynamic(message: proto.DynamicValue, path = ""): Dynamic {
  return new Reader().value(message, path, 1);
}

/** The value of the message of a map; an absent one is empty (N-7). */
export function readDynamicMap(message: proto.DynamicMap | undefined, path: string): DynamicMap {
  return message === undefined ? EMPTY : new Reader().map(message, path, 1);
}

/** The values of the message of a list; an absent one is empty. */
export function readDynamicList(message: proto.DynamicList | undefined, path: string): Dynamic[] {
  return message === undefined ? [] : new Reader().each(message.elements, path, 1);
}

const EMPTY: DynamicMap = { kind: "map", entries: [] };
const KEY_KINDS = new Set(["null", "bool", "int", "float", "bytes", "tuple"]);

/** Reads one value, and counts those in it. */
class Reader {
  private values = 0;

  value(message: proto.DynamicValue, path: string, level: number): Dynamic {
    if (level > DEPTH) {
      throw malformed(path, `at most ${DEPTH} levels`, "a deeper one");
    }
    checkLimit(++this.values, DYNAMIC_VALUES, "values in one message", path);
    const { kind } = message;
    switch (kind.case) {
      case "objectArrayValue":
        return this.objectArray(kind.value, path, level);
      case "listValue":
        return { kind: "list", elements: this.each(kind.value.elements, path, level) };
      case "tupleValue":
        return { kind: "tuple", elements: this.each(kind.value.elements, path, level) };
      case "mapValue":
        return this.map(kind.value, path, level);
      default:
        return readSimple(kind, path);
    }
  }

  each(messages: proto.DynamicValue[], path: string, level: number): Dynamic[] {
    checkLimit(messages.length, CONTAINER_ELEMENTS, "elements in one value", path);
    return messages.map((element, at) => this.value(element, path + step(at), level + 1));
  }

  private objectArray(message: proto.ObjectArray, path: string, level: number): DynamicObjectArray {
    const shape = checkedShape(message.shape, 1, TENSOR_DIMENSIONS, path);
    if (count(shape) !== message.elements.length) {
      throw malformed(path, `elements of shape [${shape}]`, String(message.elements.length));
    }
    return { kind: "object_array", shape, elements: this.each(message.elements, path, level) };
  }

  map(message: proto.DynamicMap, path: string, level: number): DynamicMap {
    checkLimit(message.entries.length, CONTAINER_ELEMENTS, "entries in one map", path);
    const seen = new Set<string>();
    const entries = message.entries.map((entry): [Dynamic, Dynamic] => {
      const key = this.key(entry, path, level);
      const identity = identityOf(key);
      if (seen.has(identity)) {
        throw malformed(path, "distinct keys", `${identity} twice`);
      }
      seen.add(identity);
      const at = key.kind === "string" ? path + step(key.value) : path;
      if (entry.value === undefined) {
        throw malformed(at, "a value for each entry", "none");
      }
      return [key, this.value(entry.value, at, level + 1)];
    });
    return { kind: "map", entries };
  }

  private key({ key }: proto.MapEntry, path: string, level: number): Dynamic {
    if (key.case === undefined) {
      throw malformed(path, "a key for each entry", "none");
    }
    if (key.case === "name") {
      checkLimit(utf8Of(key.value)?.length ?? 0, KEY_BYTES, "bytes in a key", path);
      return { kind: "string", value: key.value };
    }
    const other = this.value(key.value, path, level + 1);
    checkKey(other, path);
    return other;
  }
}

/** Check that a value may stand as a key, or in a tuple that is one (D-6). */
function checkKey(key: Dynamic, path: string, inTuple = false): void {
  if (!KEY_KINDS.has(key.kind) && !(inTuple && key.kind === "string")) {
    throw malformed(path, "a key of a kind that can be one, a string as name", key.kind);
  }
  if (key.kind === "tuple") {
    key.elements.forEach((element) => checkKey(element, path, true));
  }
}

/** A text that two keys share if and only if their encodings are equal. */
function identityOf(key: Dynamic): string {
  switch (key.kind) {
    case "tuple":
      return `(${key.elements.map(identityOf).join()})`;
    case "float":
      return `float ${key.bits}`;
    case "int":
    case "bool":
      return `${key.kind} ${key.value}`;
    case "string":
      return JSON.stringify(key.value);
    case "bytes":
      return `bytes ${key.value.join(" ")}`;
    default:
      return key.kind;
  }
}

/** A value without others inside. */
function readSimple(kind: proto.DynamicValue["kind"], path: string): Dynamic {
  switch (kind.case) {
    case "nullValue":
      return { kind: "null" };
    case "boolValue":
      return { kind: "bool", value: kind.value };
    case "intValue":
      return { kind: "int", value: kind.value };
    case "bigIntValue":
      return { kind: "int", value: readBigInt(kind.value, path) };
    case "floatValue":
      return { kind: "float", bits: bitsOf(kind.value) };
    case "stringValue":
      return { kind: "string", value: kind.value };
    case "bytesValue":
      return { kind: "bytes", value: kind.value };
    case "scalarValue":
      return { kind: "scalar", ...readElements(kind.value, [], path) };
    case "tensorValue": {
      const { size } = elementTypeOf(kind.value.dtype, path);
      const shape = checkedShape(kind.value.shape, size, TENSOR_DIMENSIONS, path);
      return { kind: "tensor", shape, ...readElements(kind.value, shape, path) };
    }
    default:
      throw malformed(path, "a kind of this spec", "none, or one of a newer spec");
  }
}

/** Two's complement, little-endian, in any number of bytes but none (D-2). */
function readBigInt(bytes: Uint8Array, path: string): bigint {
  if (bytes.length === 0) {
    throw malformed(path, "bytes of a big integer", "none");
  }
  checkLimit(bytes.length, BIG_INT_BYTES, "bytes in a big integer", path);
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0"));
  return BigInt.asIntN(8 * bytes.length, BigInt(`0x${digits.reverse().join("")}`));
}

function readElements(
  message: proto.Scalar | proto.Tensor,
  shape: readonly number[],
  path: string,
): { dtype: DTypeName; data: Elements } {
  const type = elementTypeOf(message.dtype, path);
  const size = count(shape) * type.size;
  if (message.data.length !== size) {
    throw malformed(path, `${size} bytes`, String(message.data.length));
  }
  const data = elementsOf(type, message.data);
  if (badBool(type, data) !== undefined) {
    throw malformed(path, "bools of 0 and 1", String(badBool(type, data)));
  }
  return { dtype: type.name, data };
}
