/** Element types (S-3), and elements to and from their little-endian bytes. */

import { DType } from "@rlmesh/proto/spaces/v1/dtype_pb";

import { malformed, unsupported } from "./errors.js";
import { bfloat16ToNumber, float16ToNumber } from "./floats.js";

/** The name of an element type. */
export type DTypeName =
  | "bool"
  | "int8"
  | "int16"
  | "int32"
  | "int64"
  | "uint8"
  | "uint16"
  | "uint32"
  | "uint64"
  | "float16"
  | "bfloat16"
  | "float32"
  | "float64";

/**
 * Elements of one type: bool as the bytes 0 and 1, int64 and uint64 as BigInt, float16 and bfloat16
 * as their 16 bits.
 */
export type Elements =
  | Int8Array
  | Int16Array
  | Int32Array
  | BigInt64Array
  | Uint8Array
  | Uint16Array
  | Uint32Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

type Constructor = new (buffer: ArrayBuffer, offset?: number, length?: number) => Elements;

/** An element type. */
export interface ElementType {
  readonly name: DTypeName;
  /** Its number in the schema. */
  readonly number: DType;
  /** Bytes of one element. */
  readonly size: number;
  /** The typed array that holds its elements. */
  readonly array: Constructor;
  /** Smallest and largest integer; null for bool and the floats. */
  readonly range: readonly [bigint, bigint] | null;
}

function integer(name: DTypeName, number: DType, size: number, array: Constructor): ElementType {
  const values = 1n << BigInt(8 * size);
  const low = name.startsWith("u") ? 0n : -values / 2n;
  return { name, number, size, array, range: [low, low + values - 1n] };
}

function other(name: DTypeName, number: DType, size: number, array: Constructor): ElementType {
  return { name, number, size, array, range: null };
}

const ALL: readonly ElementType[] = [
  other("bool", DType.BOOL, 1, Uint8Array),
  integer("int8", DType.INT8, 1, Int8Array),
  integer("int16", DType.INT16, 2, Int16Array),
  integer("int32", DType.INT32, 4, Int32Array),
  integer("int64", DType.INT64, 8, BigInt64Array),
  integer("uint8", DType.UINT8, 1, Uint8Array),
  integer("uint16", DType.UINT16, 2, Uint16Array),
  integer("uint32", DType.UINT32, 4, Uint32Array),
  integer("uint64", DType.UINT64, 8, BigUint64Array),
  other("float16", DType.FLOAT16, 2, Uint16Array),
  other("bfloat16", DType.BFLOAT16, 2, Uint16Array),
  other("float32", DType.FLOAT32, 4, Float32Array),
  other("float64", DType.FLOAT64, 8, Float64Array),
];
const BY_NAME = new Map(ALL.map((type) => [type.name, type]));
const BY_NUMBER = new Map(ALL.map((type) => [type.number, type]));

/** The element type of a name. */
export function elementType(name: DTypeName): ElementType {
  const found = BY_NAME.get(name);
  if (found === undefined) {
    throw new TypeError(`expected one of ${[...BY_NAME.keys()].join(", ")}, got ${String(name)}`);
  }
  return found;
}

/** The element type of a number of the schema, refused by S-3. */
export function elementTypeOf(number: DType, path: string): ElementType {
  const found = BY_NUMBER.get(number);
  if (found !== undefined) {
    return found;
  }
  if (number === DType.UNSPECIFIED) {
    throw malformed(path, "a dtype", "none");
  }
  throw unsupported(path, "a dtype of 1 to 13", String(number));
}

const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/** A copy of whole elements, each reversed if the machine's byte order is not the wire's. */
function copied(bytes: Uint8Array, size: number): Uint8Array<ArrayBuffer> {
  const copy = new Uint8Array(bytes);
  if (!LITTLE_ENDIAN) {
    for (let at = 0; at < copy.length; at += size) {
      copy.subarray(at, at + size).reverse();
    }
  }
  return copy;
}

/** The elements of little-endian bytes, which hold whole ones. No bit passes through a number. */
export function elementsOf(type: ElementType, bytes: Uint8Array): Elements {
  return new type.array(copied(bytes, type.size).buffer);
}

/** Bytes from which on `elementsIn` looks for a way without a copy, which small arrays cost less. */
const LARGE = 4_096;

/** The elements of bytes: in place if they are many, aligned and in this machine's order. */
export function elementsIn(type: ElementType, bytes: Uint8Array): Elements {
  const aligned = bytes.byteOffset % type.size === 0 && bytes.buffer instanceof ArrayBuffer;
  if (bytes.length < LARGE || !aligned || (type.size > 1 && !LITTLE_ENDIAN)) {
    return elementsOf(type, bytes);
  }
  return new type.array(bytes.buffer as ArrayBuffer, bytes.byteOffset, bytes.length / type.size);
}

/** The little-endian bytes of elements, as a copy. */
export function bytesOf(type: ElementType, elements: Elements): Uint8Array {
  const bytes = new Uint8Array(elements.buffer, elements.byteOffset, elements.byteLength);
  return copied(bytes, type.size);
}

/** An element by value: a float's bits are decoded, an integer stays as exact as it was. */
export function numberOf(type: ElementType, element: number | bigint): number | bigint {
  if (type.name === "float16") {
    return float16ToNumber(Number(element));
  }
  return type.name === "bfloat16" ? bfloat16ToNumber(Number(element)) : element;
}

/** The first byte of bools that is neither 0 nor 1; undefined if there is none. */
export function badBool(type: ElementType, elements: Elements): number | undefined {
  return type.name === "bool" ? (elements as Uint8Array).find((byte) => byte > 1) : undefined;
}

/** Number of elements of a shape. */
export function count(shape: readonly number[]): number {
  return shape.reduce((product, extent) => product * extent, 1);
}
