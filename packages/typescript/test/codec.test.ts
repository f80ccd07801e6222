/** What the golden vectors do not reach: what a writer refuses, and what JavaScript would lose. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { create } from "@bufbuild/protobuf";
import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";
import { SpaceSchema } from "@rlmesh/proto/spaces/v1/space_pb";

import { CodecError, type Dynamic, float, numberOfFloat, parseDynamic } from "../src/index.js";
import { readSpace, serializeDynamic, type Space, SpaceCodec } from "../src/index.js";
import { type Value, writeSpace } from "../src/index.js";

const THREE: Space = { family: "discrete", dtype: "int8", n: 3n, start: 0n };
const PAIR: Space = {
  family: "multi_discrete",
  dtype: "int64",
  shape: [2],
  nvec: [2n, 3n],
  start: [0n, 0n],
};
const TEXT: Space = { family: "text", minLength: 0, maxLength: 9, charset: "ab" };
const EMPTY: Space = { family: "tuple", spaces: [] };
const GRAPH: Space = { family: "graph", nodeSpace: THREE, edgeSpace: null };

function refused(act: () => unknown, code: ErrorCode, path: string): void {
  assert.throws(act, (error) => {
    assert.ok(error instanceof CodecError, String(error));
    assert.deepEqual([ErrorCode[error.code], error.path], [ErrorCode[code], path]);
    return true;
  });
}

describe("a writer refuses a value that is not of the space", () => {
  const pair = (...data: bigint[]) => BigInt64Array.from(data);
  const graph = { edges: null, edgeLinks: null };
  const values: [string, Space, unknown, string?][] = [
    ["a number for a bigint", THREE, 1],
    ["above the range", THREE, 3n],
    ["below the range", THREE, -1n],
    ["a bigint for a tensor", PAIR, 1n],
    ["null", PAIR, null],
    ["another dtype", PAIR, { dtype: "uint64", shape: [2], data: BigUint64Array.of(0n, 0n) }],
    ["another shape", PAIR, { dtype: "int64", shape: [1, 2], data: pair(0n, 0n) }],
    ["too few elements", PAIR, { dtype: "int64", shape: [2], data: pair(0n) }],
    ["another array", PAIR, { dtype: "int64", shape: [2], data: Int32Array.of(0, 0) }],
    ["an element out of range", PAIR, { dtype: "int64", shape: [2], data: pair(0n, 3n) }],
    ["a lone surrogate", TEXT, "a\ud800"],
    [
      "too many keys",
      { family: "dict", entries: [["a", THREE]] },
      new Map([
        ["a", 0n],
        ["b", 0n],
      ]),
    ],
    ["the integer key", { family: "dict", entries: [["1", THREE]] }, new Map([[1n, 0n]])],
    ["a shorter tuple", { family: "tuple", spaces: [THREE] }, []],
    ["inside", { family: "tuple", spaces: [THREE, THREE] }, [0n, 9n], "[1]"],
    ["an array for a graph", GRAPH, []],
    ["edges without an edge space", GRAPH, { ...graph, nodes: [0n], edges: [] }],
    ["links without an edge space", GRAPH, { ...graph, nodes: [0n], edgeLinks: [[0, 0]] }],
    ["a node out of range", GRAPH, { ...graph, nodes: [3n] }, ".nodes"],
    ["no such alternative", { family: "one_of", spaces: [THREE] }, { index: 1, value: 0n }],
    ["a stack of nothing (V-15)", { family: "sequence", space: EMPTY, stacked: true }, [[]]],
  ];
  for (const [name, space, value, path = ""] of values) {
    test(name, () => {
      const codec = new SpaceCodec(space, "action");
      refused(() => codec.encode(value as Value), ErrorCode.INVALID_VALUE, `action${path}`);
    });
  }

  test("more edges than links, or an end that is no node", () => {
    const codec = new SpaceCodec({ ...GRAPH, edgeSpace: THREE }, "action");
    const edges = (links: [number, number][]): Value => ({
      nodes: [0n],
      edges: [1n],
      edgeLinks: links,
    });
    refused(() => codec.encode(edges([])), ErrorCode.INVALID_VALUE, "action");
    refused(() => codec.encode(edges([[0, 1]])), ErrorCode.INVALID_VALUE, "action.edge_links");
    assert.equal(codec.encode(edges([[0, 0]])).length, 6);
  });
});

test("a stack of nothing has no elements (V-15)", () => {
  const codec = new SpaceCodec({ family: "sequence", space: EMPTY, stacked: true }, "observation");
  const one = Uint8Array.of(1, 0, 0, 0);
  refused(() => codec.decode([one]), ErrorCode.INVALID_VALUE, "observation");
  assert.deepEqual(codec.decode([new Uint8Array(4)]), []);
});

test("as many values without a byte are read as there may be (M-8)", () => {
  const codec = new SpaceCodec({ family: "sequence", space: EMPTY, stacked: false });
  const lengths = (n: number) => [new Uint8Array(Uint32Array.of(n).buffer)];
  assert.equal((codec.decode(lengths(65_552)) as Value[]).length, 65_552);
  refused(() => codec.decode(lengths(65_553)), ErrorCode.LIMIT_EXCEEDED, "");
});

test("the limits on one space hold", () => {
  const wide = (n: number, space: Space) =>
    ({ family: "tuple", spaces: Array(n).fill(space) }) as Space;
  assert.ok(writeSpace(wide(4096, THREE)));
  refused(() => writeSpace(wide(4097, THREE)), ErrorCode.LIMIT_EXCEEDED, "[4096]");
  refused(() => writeSpace(wide(16_384, EMPTY)), ErrorCode.LIMIT_EXCEEDED, "[16383]");
});

test("an extent that a number cannot tell from its neighbour is refused", () => {
  const shape = [0n, 2n ** 53n];
  const kind = { case: "multiBinary", value: { shape, flat: false } } as const;
  refused(() => readSpace(create(SpaceSchema, { kind })), ErrorCode.LIMIT_EXCEEDED, "");
});

test("a start that the dtype cannot hold is refused, not wrapped", () => {
  assert.throws(() => writeSpace({ ...THREE, start: 128n } as Space), RangeError);
});

describe("self-describing values", () => {
  test("every bit of a float is kept, however often, signalling or not", () => {
    const all = [
      0x7ff0000000000001n,
      0xfff0000000000001n,
      0xfff7fffffff7ffffn,
      0x7ff8000000000abcn,
    ];
    for (let round = 0; round < 5000; round++) {
      const elements = all.map((bits): Dynamic => ({ kind: "float", bits }));
      const value: Dynamic = { kind: "list", elements };
      assert.deepEqual(parseDynamic(serializeDynamic(value)), value);
    }
  });

  test("a number becomes a float and back", () => {
    for (const number of [0, -0, 1.5, -Infinity, NaN, 5e-324]) {
      assert.ok(Object.is(numberOfFloat(float(number) as { bits: bigint }), number));
    }
  });

  test("keys that JavaScript's Map would hold equal stay two", () => {
    const key = (bits: bigint): Dynamic => ({ kind: "float", bits });
    const entries = [0n, 1n << 63n].map((bits) => [key(bits), { kind: "null" }] as const);
    const map: Dynamic = { kind: "map", entries };
    assert.deepEqual(parseDynamic(serializeDynamic(map)), map);
  });

  const nothing: Dynamic = { kind: "null" };
  const nested = (level: number): Dynamic =>
    level === 1 ? nothing : { kind: "tuple", elements: [nested(level - 1)] };
  const refusals: [string, Dynamic][] = [
    ["a lone surrogate", { kind: "string", value: "\udc00" }],
    [
      "a lone surrogate in a key",
      { kind: "map", entries: [[{ kind: "string", value: "\udc00" }, nothing]] },
    ],
    [
      "a key that cannot be one",
      { kind: "map", entries: [[{ kind: "list", elements: [] }, nothing]] },
    ],
    [
      "a key twice",
      {
        kind: "map",
        entries: [
          [nothing, nothing],
          [nothing, nothing],
        ],
      },
    ],
    [
      "a tensor of another size",
      { kind: "tensor", dtype: "int8", shape: [2], data: Int8Array.of(1) },
    ],
    ["a scalar of two", { kind: "scalar", dtype: "int8", data: Int8Array.of(1, 2) }],
    ["another array", { kind: "scalar", dtype: "int8", data: Uint8Array.of(1) }],
    ["25 levels", nested(25)],
  ];
  for (const [name, value] of refusals) {
    test(`a writer refuses ${name}`, () => {
      assert.throws(
        () => serializeDynamic(value, "info"),
        (error) => {
          return error instanceof CodecError && error.path.startsWith("info");
        },
      );
    });
  }

  test("24 levels are written", () => {
    assert.deepEqual(parseDynamic(serializeDynamic(nested(24))), nested(24));
  });
});
