/** Leaves: values that are one slab, or two for texts. */

import { badBool, bytesOf, count, elementsIn, elementsOf, elementType } from "./dtypes.js";
import type { Elements, ElementType } from "./dtypes.js";
import { invalidValue } from "./errors.js";
import { checkPlace, joined, type Plan, type SlabReader, sum, uint32Slab } from "./slabs.js";
import type { Box, Discrete, MultiBinary, MultiDiscrete } from "./spaces.js";
import { textOf, utf8Of } from "./text.js";
import { describe, isObject, sameShape, type Tensor, type Value } from "./values.js";

/** The smallest and largest integer of each element, in C order, or one pair for all (V-8). */
type Ranges = readonly (readonly [bigint, bigint])[];

/** A Box, MultiBinary or MultiDiscrete: an array of fixed shape. */
export class ArrayPlan implements Plan {
  readonly parts = 1;
  readonly free: number;
  private readonly type: ElementType;
  private readonly shape: readonly number[];
  private readonly ranges: Ranges;
  private readonly length: number;

  constructor(
    space: Box | MultiBinary | MultiDiscrete,
    private readonly path: string,
  ) {
    this.type = elementType(space.family === "multi_binary" ? "int8" : space.dtype);
    this.shape = space.shape;
    this.ranges = rangesOf(space);
    this.length = count(space.shape);
    this.free = this.length === 0 ? 1 : 0;
  }

  encode(values: readonly Value[], slabs: Uint8Array[]): void {
    checkPlace(values.length, this.path);
    slabs.push(joined(values.map((value) => bytesOf(this.type, this.elements(value)))));
  }

  /** The elements of a value that is of the space. */
  private elements(value: Value): Elements {
    const wanted = `${this.type.name} of shape [${this.shape}]`;
    if (!isTensor(value)) {
      throw invalidValue(this.path, `a tensor: ${wanted}`, describe(value));
    }
    const { dtype, shape, data } = value;
    if (dtype !== this.type.name || !sameShape(shape, this.shape)) {
      throw invalidValue(this.path, wanted, `${dtype} of shape [${shape}]`);
    }
    if (!(data instanceof this.type.array) || data.length !== this.length) {
      const found = `${data.constructor.name} of ${data.length}`;
      throw invalidValue(this.path, `${this.type.array.name} of ${this.length}`, found);
    }
    this.check(data);
    return data;
  }

  decode(slabs: SlabReader, n: number): Value[] {
    checkPlace(n, this.path);
    const all = elementsIn(this.type, slabs.take(n * this.length * this.type.size, this.path));
    this.check(all);
    if (this.length === 0) {
      // One for all: millions of them come in no bytes.
      return new Array<Value>(n).fill(this.tensor(all));
    }
    return Array.from({ length: n }, (_, at) => {
      return this.tensor(all.subarray(at * this.length, (at + 1) * this.length));
    });
  }

  private tensor(data: Elements): Tensor {
    return { dtype: this.type.name, shape: this.shape, data };
  }

  private check(elements: Elements): void {
    const bool = badBool(this.type, elements);
    if (bool !== undefined) {
      throw invalidValue(this.path, "bools of 0 and 1", String(bool));
    }
    checkRanges(elements, this.ranges, this.path);
  }
}

function rangesOf(space: Box | MultiBinary | MultiDiscrete): Ranges {
  if (space.family === "multi_discrete") {
    return space.nvec.map((n, at) => rangeFrom(space.start[at] ?? 0n, n));
  }
  return space.family === "multi_binary" ? [[0n, 1n]] : [];
}

function rangeFrom(start: bigint, n: bigint): readonly [bigint, bigint] {
  return [start, start + n - 1n];
}

/** Check V-7 of MultiBinary and V-8; the elements of a batch repeat the ranges. */
function checkRanges(elements: Elements, ranges: Ranges, path: string): void {
  if (ranges.length === 0) {
    return;
  }
  elements.forEach((element: number | bigint, at: number) => {
    const range = ranges[at % ranges.length];
    if (range !== undefined && (element < range[0] || element > range[1])) {
      const expected = `integers of ${range[0]} to ${range[1]}`;
      throw invalidValue(path, expected, `${element} at element ${at}`);
    }
  });
}

function isTensor(value: Value): value is Tensor {
  return isObject(value) && "dtype" in value && ArrayBuffer.isView(value.data);
}

/** A Discrete: one integer. */
export class DiscretePlan implements Plan {
  readonly parts = 1;
  readonly free = 0;
  private readonly type: ElementType;
  private readonly range: readonly [bigint, bigint];

  constructor(
    space: Discrete,
    private readonly path: string,
  ) {
    this.type = elementType(space.dtype);
    this.range = rangeFrom(space.start, space.n);
  }

  encode(values: readonly Value[], slabs: Uint8Array[]): void {
    checkPlace(values.length, this.path);
    const data = new this.type.array(new ArrayBuffer(values.length * this.type.size));
    values.forEach((value, at) => {
      const element = this.integer(value);
      data[at] = this.type.size === 8 ? element : Number(element);
    });
    slabs.push(bytesOf(this.type, data));
  }

  /** A value that is of the space, so that the dtype holds it. */
  private integer(value: Value): bigint {
    const [low, high] = this.range;
    if (typeof value !== "bigint" || value < low || value > high) {
      throw invalidValue(this.path, `a bigint of ${low} to ${high}`, describe(value));
    }
    return value;
  }

  decode(slabs: SlabReader, n: number): Value[] {
    checkPlace(n, this.path);
    const elements = elementsOf(this.type, slabs.take(n * this.type.size, this.path));
    checkRanges(elements, [this.range], this.path);
    return Array.from(elements, BigInt);
  }
}

/** A Text: lengths in bytes, then the UTF-8 of all (V-9). */
export class TextPlan implements Plan {
  readonly parts = 1;
  readonly free = 0;

  constructor(private readonly path: string) {}

  encode(values: readonly Value[], slabs: Uint8Array[]): void {
    checkPlace(values.length, this.path);
    const texts = values.map((value) => {
      const bytes = typeof value === "string" ? utf8Of(value) : undefined;
      if (bytes === undefined) {
        throw invalidValue(this.path, "text without lone surrogates", describe(value));
      }
      return bytes;
    });
    slabs.push(uint32Slab(texts.map((text) => text.length)), joined(texts));
  }

  decode(slabs: SlabReader, n: number): Value[] {
    checkPlace(n, this.path);
    const lengths = slabs.uint32s(n, this.path);
    const bytes = slabs.take(sum(lengths), this.path);
    let at = 0;
    return lengths.map((length) => {
      const text = textOf(bytes.subarray(at, (at += length)));
      if (text === undefined) {
        throw invalidValue(this.path, "valid UTF-8", `${length} bytes that are not`);
      }
      return text;
    });
  }
}
