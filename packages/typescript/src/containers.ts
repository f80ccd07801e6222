/** Containers: places whose slabs are followed by those of the spaces inside. */

import { invalidValue, step } from "./errors.js";
import { checkPlace, joinedCounts, type Plan, type SlabReader } from "./slabs.js";
import { sum, uint32Slab } from "./slabs.js";
import { isSlabless, type Key, type Sequence } from "./spaces.js";
import { describe, isObject, type OneOfValue, type Value } from "./values.js";

/** A Dict: no slab of its own, then each entry in the order of the space. */
export class DictPlan implements Plan {
  readonly parts: number;
  readonly free: number;

  constructor(
    private readonly entries: readonly (readonly [Key, Plan])[],
    private readonly path: string,
  ) {
    ({ parts: this.parts, free: this.free } = joinedCounts(entries.map(([, plan]) => plan)));
  }

  encode(values: readonly Value[], slabs: Uint8Array[]): void {
    checkPlace(values.length, this.path);
    const maps = values.map((value) => this.map(value));
    for (const [key, plan] of this.entries) {
      const parts = maps.map((map) => map.get(key));
      plan.encode(parts as Value[], slabs);
    }
  }

  /** A value that has exactly the keys of the space (F-7). */
  private map(value: Value): ReadonlyMap<Key, Value> {
    const keys = this.entries.map(([key]) => key);
    if (!(value instanceof Map)) {
      throw invalidValue(this.path, "a Map", describe(value));
    }
    if (value.size !== keys.length || !keys.every((key) => value.has(key))) {
      const found = [...value.keys()].map(String);
      throw invalidValue(this.path, `the keys ${keys.map(step).join("")}`, `[${found.join(", ")}]`);
    }
    return value as ReadonlyMap<Key, Value>;
  }

  decode(slabs: SlabReader, n: number): Value[] {
    checkPlace(n, this.path);
    const columns = this.entries.map(([key, plan]) => [key, plan.decode(slabs, n)] as const);
    return repeated(n, columns.length, (at) => {
      return new Map(columns.map(([key, column]) => [key, column[at]] as [Key, Value]));
    });
  }
}

/** A Tuple: no slab of its own, then each position. */
export class TuplePlan implements Plan {
  readonly parts: number;
  readonly free: number;

  constructor(
    private readonly plans: readonly Plan[],
    private readonly path: string,
  ) {
    ({ parts: this.parts, free: this.free } = joinedCounts(plans));
  }

  encode(values: readonly Value[], slabs: Uint8Array[]): void {
    checkPlace(values.length, this.path);
    const tuples = values.map((value) => {
      if (!isArray(value) || value.length !== this.plans.length) {
        throw invalidValue(this.path, `an array of ${this.plans.length}`, describe(value));
      }
      return value;
    });
    this.plans.forEach((plan, at) => {
      plan.encode(tuples.map((tuple) => tuple[at]) as Value[], slabs);
    });
  }

  decode(slabs: SlabReader, n: number): Value[] {
    checkPlace(n, this.path);
    const columns = this.plans.map((plan) => plan.decode(slabs, n));
    return repeated(n, columns.length, (at) => columns.map((column) => column[at] as Value));
  }
}

/** `n` values; the same one if they have no parts, because no bytes pay for millions of them. */
function repeated(n: number, parts: number, make: (at: number) => Value): Value[] {
  return parts === 0
    ? new Array<Value>(n).fill(make(0))
    : Array.from({ length: n }, (_, at) => make(at));
}

/** Whether a value is an array; unlike Array.isArray it keeps the elements' type. */
export function isArray(value: unknown): value is readonly Value[] {
  return Array.isArray(value);
}

/** A Sequence: lengths, then the elements of all. */
export class SequencePlan implements Plan {
  readonly parts = 1;
  readonly free = 0;
  private readonly stacked: boolean;
  private readonly stacksNothing: boolean;

  constructor(
    space: Sequence,
    private readonly plan: Plan,
    private readonly path: string,
  ) {
    this.stacked = space.stacked;
    this.stacksNothing = space.stacked && isSlabless(space.space);
  }

  encode(values: readonly Value[], slabs: Uint8Array[]): void {
    checkPlace(values.length, this.path);
    const sequences = values.map((value) => {
      if (!isArray(value)) {
        throw invalidValue(this.path, "an array", describe(value));
      }
      return value;
    });
    const lengths = sequences.map((sequence) => sequence.length);
    this.check(lengths);
    slabs.push(uint32Slab(lengths));
    this.plan.encode(sequences.flat(), slabs);
  }

  decode(slabs: SlabReader, n: number): Value[] {
    checkPlace(n, this.path);
    const lengths = slabs.uint32s(n, this.path);
    this.check(lengths);
    if (this.stacked) {
      checkStacks(slabs, this.plan, lengths, this.path);
    } else {
      slabs.checkFree(sum(lengths) * this.plan.free, this.path);
    }
    return split(this.plan.decode(slabs, sum(lengths)), lengths);
  }

  private check(lengths: readonly number[]): void {
    checkPlace(sum(lengths), this.path);
    if (this.stacksNothing && lengths.some(Boolean)) {
      throw invalidValue(this.path, "no elements in a stack of nothing (V-15)", String(lengths));
    }
  }
}

/** Check the number of values without a byte in stacks, before any is made (M-8). */
export function checkStacks(
  slabs: SlabReader,
  { parts, free }: Plan,
  lengths: readonly number[],
  path: string,
): void {
  const empty = lengths.filter((length) => length === 0).length;
  slabs.checkFree(sum(lengths) * free + empty * parts, path);
}

/** Consecutive parts of the given lengths. */
export function split<T>(all: readonly T[], lengths: readonly number[]): T[][] {
  let at = 0;
  return lengths.map((length) => all.slice(at, (at += length)));
}

/** A OneOf: indices, then for each alternative the values that chose it. */
export class OneOfPlan implements Plan {
  readonly parts = 1;
  readonly free = 0;

  constructor(
    private readonly plans: readonly Plan[],
    private readonly path: string,
  ) {}

  encode(values: readonly Value[], slabs: Uint8Array[]): void {
    checkPlace(values.length, this.path);
    const chosen = values.map((value) => {
      if (!isOneOf(value)) {
        throw invalidValue(this.path, "an object { index, value }", describe(value));
      }
      return value;
    });
    const indices = chosen.map(({ index }) => index);
    this.check(indices);
    slabs.push(uint32Slab(indices));
    const groups = this.plans.map((): Value[] => []);
    chosen.forEach(({ index, value }) => groups[index]?.push(value));
    this.plans.forEach((plan, at) => plan.encode(groups[at] ?? [], slabs));
  }

  decode(slabs: SlabReader, n: number): Value[] {
    checkPlace(n, this.path);
    const indices = slabs.uint32s(n, this.path);
    this.check(indices);
    const counts = this.plans.map(() => 0);
    indices.forEach((index) => counts[index]!++);
    slabs.checkFree(sum(this.plans.map((plan, at) => (counts[at] ?? 0) * plan.free)), this.path);
    const columns = this.plans.map((plan, at) => plan.decode(slabs, counts[at] ?? 0).values());
    return indices.map((index) => ({ index, value: columns[index]?.next().value as Value }));
  }

  private check(indices: readonly number[]): void {
    const known = (index: number) => Number.isInteger(index) && index in this.plans;
    const bad = indices.find((index) => !known(index));
    if (bad !== undefined) {
      throw invalidValue(this.path, `an index below ${this.plans.length}`, String(bad));
    }
  }
}

function isOneOf(value: Value): value is OneOfValue {
  return isObject(value) && "index" in value && "value" in value;
}
