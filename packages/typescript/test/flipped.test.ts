/** The checks are not vacuous: one flipped bit of any vector fails them. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { CHECKS } from "./checks.js";
import { base64, bytes, cases, type Tagged } from "./vectors.js";

/** The bytes of a text that are changed: each at full size, else the first, the last and few others. */
const STRIDE = process.env["RLMESH_TEST_SIZE"] === "long" ? 1 : 16;

/** Ways to flip one bit of a byte of base64. */
function* flips(text: string, bit = 0x01): Generator<string> {
  const data = bytes(text);
  for (const at of data.keys()) {
    if (at % STRIDE !== 0 && at !== data.length - 1) continue;
    const flipped = Uint8Array.from(data);
    flipped[at] = (flipped[at] ?? 0) ^ bit;
    yield base64(flipped);
  }
}

/**
 * The bit of a message's bytes that is flipped. Not the lowest, the wire type of a tag: protobuf-es
 * takes a field for what its schema says, whatever that type is.
 */
const HIGHEST = 0x80;

/** Ways to flip a bit of the bytes in the JSON of a value. */
function* flippedData(json: unknown): Generator<unknown> {
  for (const [name, part] of Object.entries((json ?? {}) as Tagged)) {
    const whole = (changed: unknown) =>
      Array.isArray(json)
        ? json.with(Number(name), changed)
        : { ...(json as Tagged), [name]: changed };
    if (["data", "float", "bytes"].includes(name) && typeof part === "string") {
      for (const changed of flips(part)) yield whole(changed);
    } else if (typeof part === "object") {
      for (const changed of flippedData(part)) yield whole(changed);
    }
  }
}

/** Check that each of the changed cases fails, and that there is at least one. */
function allFail<Case>(check: (one: Case) => void, changed: Iterable<Case>, at: string): number {
  let tried = 0;
  for (const one of changed) {
    assert.throws(() => check(one), `${at}: change ${tried} passed: ${JSON.stringify(one)}`);
    tried++;
  }
  return tried;
}

function some(tried: number): void {
  assert.ok(tried > 0, "nothing was changed");
}

describe("a flipped bit fails", () => {
  test("in a slab", () => {
    const check = CHECKS["valid/values"];
    let tried = 0;
    for (const one of cases("valid/values")) {
      for (const [at, slab] of one.slabs.entries()) {
        const changed = [...flips(slab)].map((text) => ({
          ...one,
          slabs: one.slabs.with(at, text),
        }));
        tried += allFail(check, changed, one.name);
      }
    }
    some(tried);
  });

  test("in the JSON of a value", () => {
    let tried = 0;
    for (const one of cases("valid/values")) {
      const changed = [...flippedData(one.value)].map((value) => ({
        ...one,
        value: value as Tagged,
      }));
      tried += allFail(CHECKS["valid/values"], changed, one.name);
    }
    some(tried);
  });

  test("in a space", () => {
    let tried = 0;
    // A bound of no elements may be any number.
    const all = cases("valid/spaces").filter(({ name }) => name !== "box/uniform-of-zero-size");
    for (const one of all) {
      const changed = [...flips(one.space_proto, HIGHEST)].map((space_proto) => ({
        ...one,
        space_proto,
      }));
      tried += allFail(CHECKS["valid/spaces"], changed, one.name);
    }
    some(tried);
  });

  test("in what a writer sends for a space", () => {
    let tried = 0;
    for (const one of cases("valid/spaces")) {
      const canonical = one.canonical_proto ?? one.space_proto;
      const changed = [...flips(canonical, HIGHEST)].map((text) => ({
        ...one,
        canonical_proto: text,
      }));
      tried += allFail(CHECKS["valid/spaces"], changed, one.name);
    }
    some(tried);
  });

  test("in a self-describing value", () => {
    let tried = 0;
    for (const one of cases("valid/dynamic")) {
      const changed = [
        ...[...flips(one.proto, HIGHEST)].map((proto) => ({ ...one, proto })),
        ...[...flippedData(one.value)].map((value) => ({ ...one, value: value as Tagged })),
      ];
      tried += allFail(CHECKS["valid/dynamic"], changed, one.name);
    }
    some(tried);
  });

  test("in the place or the code of a refusal", () => {
    let tried = 0;
    for (const folder of ["invalid/spaces", "invalid/values", "invalid/dynamic"] as const) {
      const check: (one: never) => void = CHECKS[folder];
      for (const one of cases(folder)) {
        const changed = [
          { ...one, error_path: `${one.error_path}['elsewhere']`, contract: "V-1" },
          { ...one, code: "ERROR_CODE_BUSY" },
        ];
        tried += allFail(check, changed as never[], one.name);
      }
    }
    some(tried);
  });

  test("in what is refused, where that makes it valid", () => {
    const [space, value, dynamic] = [
      cases("valid/spaces")[0],
      cases("valid/values")[0],
      cases("valid/dynamic")[0],
    ];
    assert.ok(space && value && dynamic);
    for (const one of cases("invalid/spaces")) {
      assert.throws(() => CHECKS["invalid/spaces"]({ ...one, space_proto: space.space_proto }));
    }
    for (const one of cases("invalid/values")) {
      assert.throws(() => CHECKS["invalid/values"]({ ...one, ...value }));
    }
    for (const one of cases("invalid/dynamic")) {
      assert.throws(() => CHECKS["invalid/dynamic"]({ ...one, proto: dynamic.proto }));
    }
  });
});
