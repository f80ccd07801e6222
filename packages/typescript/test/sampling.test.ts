/** What tests/node does not reach: numbers that NumPy is known by, refusals, and membership. */

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { contains, Sampler, type Space, type Value } from "../src/index.js";
import { PCG64 } from "../src/pcg64.js";

const BIT: Space = { family: "discrete", dtype: "int64", n: 2n, start: 0n };

function box(low: number, high: number): Space {
  const bound = (value: number) => ({ form: "uniform", elements: Float32Array.of(value) }) as const;
  return { family: "box", dtype: "float32", shape: [1], low: bound(low), high: bound(high) };
}

test("the generator is NumPy's", () => {
  const [zero, large] = [new PCG64(0n), new PCG64(2n ** 200n)];
  assert.equal(zero.random(), 0.6369616873214543);
  assert.equal(zero.random(), 0.2697867137638703);
  assert.notEqual(large.next64(), new PCG64(2n ** 201n).next64());
});

test("a seed begins again, and no seed is one of the system", () => {
  const space: Space = { family: "tuple", spaces: [box(0, 1), box(0, 1)] };
  const sampler = new Sampler(space, 7);
  const first = [sampler.sample(), sampler.sample()];
  sampler.seed(7n);
  assert.deepEqual([sampler.sample(), sampler.sample()], first);
  assert.notDeepEqual(new Sampler(space).sample(), new Sampler(space).sample());
  assert.throws(() => sampler.seed(-1), /at least 0/);
});

describe("spaces without a distribution here are refused", () => {
  const refused: Space[] = [
    box(0, Infinity),
    { family: "sequence", space: BIT, stacked: false },
    { family: "dict", entries: [["graph", { family: "graph", nodeSpace: BIT, edgeSpace: null }]] },
  ];
  for (const space of refused) {
    test(space.family, () => assert.throws(() => new Sampler(space), /can be sampled|finite sides/));
  }
});

describe("membership", () => {
  const tensor = (value: number): Value => {
    return { dtype: "float32", shape: [1], data: Float32Array.of(value) };
  };
  const text: Space = { family: "text", minLength: 1, maxLength: 2, charset: "ab" };
  const members: [Space, Value, boolean][] = [
    [BIT, 1n, true],
    [BIT, 2n, false],
    [box(0, 1), tensor(1), true],
    [box(0, 1), tensor(1.5), false],
    [box(0, 1), tensor(NaN), false],
    [box(0, 1), 1n, false],
    [text, "ab", true],
    [text, "c", false],
  ];
  for (const [space, value, is] of members) {
    test(`${space.family}: ${is}`, () => assert.equal(contains(space, value), is));
  }
});
