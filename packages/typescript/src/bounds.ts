/** Bounds of a Box: read, checked and written in the one form that a writer sends (S-5, S-6). */

import { create } from "@bufbuild/protobuf";
import * as proto from "@rlmesh/proto/spaces/v1/space_pb";

import { badBool, bytesOf, count, elementType, elementsOf, numberOf } from "./dtypes.js";
import type { Elements, ElementType } from "./dtypes.js";
import { malformed } from "./errors.js";
import type { Bounds, Box } from "./spaces.js";

/** Bounds of the right size for `length` elements, without NaN or bad bools, in either form. */
export function checkedBounds(
  message: proto.Bounds | undefined,
  type: ElementType,
  length: number,
  path: string,
  name: string,
): Bounds {
  const form = message?.form;
  if (form?.case === undefined) {
    throw malformed(path, `a bound \`${name}\` in one of its forms`, "none");
  }
  const expected = (form.case === "uniform" ? 1 : length) * type.size;
  if (form.value.length !== expected) {
    throw malformed(path, `${expected} bytes for ${name}`, String(form.value.length));
  }
  const elements = elementsOf(type, form.value);
  if (badBool(type, elements) !== undefined) {
    throw malformed(path, `bools of 0 and 1 for ${name}`, String(badBool(type, elements)));
  }
  for (const element of elements) {
    if (Number.isNaN(numberOf(type, element))) {
      throw malformed(path, `numbers for ${name}`, "NaN");
    }
  }
  const bounds = { form: form.case, elements };
  return checkedMarks(bounds, message?.unbounded ?? new Uint8Array(), type, length, path, name);
}

function checkedMarks(
  bounds: Bounds,
  marks: Uint8Array,
  type: ElementType,
  length: number,
  path: string,
  name: string,
): Bounds {
  if (marks.length === 0) {
    return bounds;
  }
  if (type.range === null) {
    throw malformed(path, `no marks of ${type.name} for ${name}`, String(marks));
  }
  const all = marks.length === 1 && marks[0] === 1;
  if (!all && (marks.length !== length || marks.some((mark) => mark > 1))) {
    throw malformed(path, `one byte 1 or ${length} of 0 and 1 for ${name}`, String(marks));
  }
  const limit = type.range[name === "high" ? 1 : 0];
  const once = all && bounds.form === "uniform";
  for (let at = 0; at < (once ? Math.min(length, 1) : length); at++) {
    if ((all || marks[at] === 1) && BigInt(boundAt(bounds, type, at)) !== limit) {
      throw malformed(path, `${limit} where ${name} is unbounded`, `element ${at}`);
    }
  }
  // A copy: what was read may be a view of the message's bytes.
  return { ...bounds, unbounded: Uint8Array.from(marks) };
}

/** The box with bounds in the form that a writer sends, once low <= high everywhere. */
export function canonicalBounds(box: Box, path: string): Box {
  const type = elementType(box.dtype);
  const length = count(box.shape);
  // Two uniform bounds are compared once, however large the box is (M-5).
  const once = box.low.form === "uniform" && box.high.form === "uniform";
  for (let at = 0; at < (once ? Math.min(length, 1) : length); at++) {
    const [low, high] = [boundAt(box.low, type, at), boundAt(box.high, type, at)];
    if (low > high) {
      throw malformed(path, "low of at most high", `${low} and ${high} at element ${at}`);
    }
  }
  return { ...box, low: canonical(box.low, type, length), high: canonical(box.high, type, length) };
}

/** A bound by value. */
export function boundAt(bounds: Bounds, type: ElementType, at: number): number | bigint {
  const element = bounds.elements[bounds.form === "uniform" ? 0 : at];
  if (element === undefined) {
    throw new RangeError(`no bound for element ${at}`);
  }
  return numberOf(type, element);
}

function canonical(bounds: Bounds, type: ElementType, length: number): Bounds {
  if (length === 0) {
    return { form: "elementwise", elements: elementsOf(type, new Uint8Array()) };
  }
  const { form, elements, unbounded } = bounds;
  const marks = unbounded?.includes(1) ? { unbounded: canonicalMarks(unbounded) } : {};
  if (form === "elementwise" && sameBits(bytesOf(type, elements), type.size)) {
    return { form: "uniform", elements: elements.slice(0, 1) as Elements, ...marks };
  }
  return { form, elements, ...marks };
}

function canonicalMarks(marks: Uint8Array): Uint8Array {
  return marks.includes(0) ? marks : marks.slice(0, 1);
}

function sameBits(bytes: Uint8Array, size: number): boolean {
  return bytes.every((byte, at) => byte === bytes[at % size]);
}

/** The message of bounds that are canonical. */
export function writeBounds(bounds: Bounds, type: ElementType): proto.Bounds {
  const value = bytesOf(type, bounds.elements);
  const { form, unbounded } = bounds;
  return create(proto.BoundsSchema, { form: { case: form, value }, ...(unbounded && { unbounded }) });
}
