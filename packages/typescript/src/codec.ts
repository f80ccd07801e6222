/** The codec of one space: values to slabs and back (CONTRACT.md §12). */

import { create } from "@bufbuild/protobuf";
import * as proto from "@rlmesh/proto/spaces/v1/value_pb";

import { DictPlan, OneOfPlan, SequencePlan, TuplePlan } from "./containers.js";
import { step } from "./errors.js";
import { GraphPlan } from "./graphs.js";
import { ArrayPlan, DiscretePlan, TextPlan } from "./leaves.js";
import { type Plan, SlabReader } from "./slabs.js";
import type { Space } from "./spaces.js";
import type { Value } from "./values.js";

/**
 * Encodes and decodes values of one space, which is compiled once.
 *
 * Every rule of V-1 to V-12 and V-15 is checked, in both directions (F-3, V-14). Whether a value
 * keeps its bounds and its charset is not: see `nonconformities`.
 */
export class SpaceCodec {
  private readonly plan: Plan;

  /**
   * @param space A space that keeps the rules, as `readSpace` and `writeSpace` check.
   * @param path What the path of a refusal begins with, such as "action".
   */
  constructor(
    readonly space: Space,
    private readonly path = "",
  ) {
    this.plan = compile(space, path);
  }

  /** The slabs of one value. */
  encode(value: Value): Uint8Array[] {
    return this.encodeBatch([value]);
  }

  /** The slabs of a batch of any number of values. */
  encodeBatch(values: readonly Value[]): Uint8Array[] {
    const slabs: Uint8Array[] = [];
    this.plan.encode(values, slabs);
    return slabs;
  }

  /** The one value of slabs. */
  decode(slabs: readonly Uint8Array[]): Value {
    const [value] = this.decodeBatch(slabs, 1);
    return value as Value;
  }

  /** The `n` values of slabs. */
  decodeBatch(slabs: readonly Uint8Array[], n: number): Value[] {
    const reader = new SlabReader(slabs, this.path);
    reader.checkFree(n * this.plan.free, this.path);
    const values = this.plan.decode(reader, n);
    reader.end();
    return values;
  }

  /** The message of one value. */
  write(value: Value): proto.Value {
    return create(proto.ValueSchema, { slabs: this.encode(value) });
  }

  /** The message of a batch. */
  writeBatch(values: readonly Value[]): proto.Value {
    const slabs = this.encodeBatch(values);
    return create(proto.ValueSchema, { slabs, batchSize: values.length });
  }

  /** What a message holds: one value, or those of a batch, which may be one too (V-1). */
  read(message: proto.Value): { value: Value } | { batch: Value[] } {
    const { slabs, batchSize } = message;
    return batchSize === undefined
      ? { value: this.decode(slabs) }
      : { batch: this.decodeBatch(slabs, batchSize) };
  }
}

/** The plan of a space, whose paths begin with `path`. */
function compile(space: Space, path: string): Plan {
  const inside = (spaces: readonly Space[]) => {
    return spaces.map((child, at) => compile(child, path + step(at)));
  };
  switch (space.family) {
    case "box":
    case "multi_binary":
    case "multi_discrete":
      return new ArrayPlan(space, path);
    case "discrete":
      return new DiscretePlan(space, path);
    case "text":
      return new TextPlan(path);
    case "dict": {
      const entries = space.entries.map(([key, child]) => {
        return [key, compile(child, path + step(key))] as const;
      });
      return new DictPlan(entries, path);
    }
    case "tuple":
      return new TuplePlan(inside(space.spaces), path);
    case "sequence":
      return new SequencePlan(space, compile(space.space, path), path);
    case "graph": {
      const edges = space.edgeSpace && compile(space.edgeSpace, `${path}.edges`);
      return new GraphPlan(compile(space.nodeSpace, `${path}.nodes`), edges, path);
    }
    case "one_of":
      return new OneOfPlan(inside(space.spaces), path);
  }
}
