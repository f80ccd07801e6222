/** Random values of spaces, equal to those of Gymnasium's spaces with the same seed. */

import { boundAt } from "./bounds.js";
import { SpaceCodec } from "./codec.js";
import { nonconformities } from "./conformance.js";
import { count, type Elements, elementType } from "./dtypes.js";
import { CodecError, unsupported } from "./errors.js";
import { PCG64 } from "./pcg64.js";
import { type Box, children, type Key, type MultiBinary, type MultiDiscrete } from "./spaces.js";
import type { Space, Text } from "./spaces.js";
import type { Tensor, Value } from "./values.js";

/** Upper end of the seeds that a Dict, Tuple or OneOf draws for the spaces inside it. */
const SUBSEEDS = 2n ** 31n - 1n;

/**
 * Draws values of a space. Boxes without bounds on a side or of half floats, Sequences and Graphs
 * have none: their distributions are not in this package.
 */
export class Sampler {
  private rng: PCG64;
  private readonly inside: readonly Sampler[];

  /**
   * @param space The space.
   * @param seed See `seed`; absent: one from the system.
   * @throws CodecError if the space, or one inside it, cannot be sampled.
   */
  constructor(
    readonly space: Space,
    seed?: number | bigint,
  ) {
    checkSampled(space);
    this.inside = children(space).map((child) => new Sampler(child));
    this.rng = new PCG64(systemSeed());
    if (seed !== undefined) {
      this.seed(seed);
    }
  }

  /** Begin again with a seed of at least 0, as Gymnasium's `Space.seed` does. */
  seed(seed: number | bigint): void {
    const value = BigInt(seed);
    if (value < 0n) {
      throw new RangeError(`expected a seed of at least 0, got ${seed}`);
    }
    this.rng = new PCG64(value);
    if (this.inside.length === 0) {
      return;
    }
    const seeds = this.rng.integers(SUBSEEDS, this.inside.length, 8);
    this.inside.forEach((sampler, at) => sampler.seed(seeds[at] ?? 0n));
    if (this.space.family === "one_of") {
      this.rng = new PCG64(value);
    }
  }

  /** A random value of the space. */
  sample(): Value {
    const { space, rng } = this;
    switch (space.family) {
      case "box":
        return tensorOf(space.dtype, space.shape, box(space, rng));
      case "discrete": {
        const { size } = elementType(space.dtype);
        return space.start + (rng.integers(space.n, 1, size)[0] ?? 0n);
      }
      case "multi_binary":
        return tensorOf("int8", space.shape, bits(space, rng));
      case "multi_discrete":
        return tensorOf(space.dtype, space.shape, integers(space, rng));
      case "text":
        return text(space, rng);
      case "dict": {
        const pairs = space.entries.map(([key], at) => [key, this.part(at)] as [Key, Value]);
        return new Map(pairs);
      }
      case "tuple":
        return this.inside.map((sampler) => sampler.sample());
      case "one_of": {
        const index = Number(rng.integers(BigInt(this.inside.length), 1, 8)[0]);
        return { index, value: this.part(index) };
      }
      default:
        throw unsupported("", "a space that can be sampled", space.family);
    }
  }

  private part(at: number): Value {
    return (this.inside[at] as Sampler).sample();
  }
}

/** Whether a value is of the space, its bounds and charset included. */
export function contains(space: Space, value: Value): boolean {
  try {
    new SpaceCodec(space).encode(value);
  } catch (error) {
    if (error instanceof CodecError) {
      return false;
    }
    throw error;
  }
  return nonconformities(space, value).next().done === true;
}

function systemSeed(): bigint {
  const [low = 0n, high = 0n] = crypto.getRandomValues(new BigUint64Array(2));
  return (high << 64n) | low;
}

function checkSampled(space: Space): void {
  if (space.family === "sequence" || space.family === "graph") {
    throw unsupported("", "a space that can be sampled", `a ${space.family}`);
  }
  if (space.family !== "box") {
    return;
  }
  const { dtype, low, high, shape } = space;
  const open = low.unbounded?.includes(1) || high.unbounded?.includes(1);
  const type = elementType(dtype);
  if (open || dtype === "float16" || dtype === "bfloat16" || dtype === "uint64") {
    throw unsupported("", "a bounded Box of another dtype", open ? "an open side" : dtype);
  }
  for (let at = 0; at < count(shape); at++) {
    const [lowest, highest] = [boundAt(low, type, at), boundAt(high, type, at)];
    if (!Number.isFinite(Number(highest) - Number(lowest))) {
      throw unsupported("", "a Box with finite sides", `${lowest} to ${highest}`);
    }
  }
}

function tensorOf(dtype: Tensor["dtype"], shape: readonly number[], data: Elements): Tensor {
  return { dtype, shape, data };
}

function made(dtype: Tensor["dtype"], values: readonly (number | bigint)[]): Elements {
  const type = elementType(dtype);
  const data = new type.array(new ArrayBuffer(values.length * type.size));
  values.forEach((value, at) => {
    data[at] = type.size === 8 && type.range !== null ? BigInt(value) : Number(value);
  });
  return data;
}

/** Uniform numbers between the bounds; integers are rounded down, the upper bound included. */
function box({ dtype, shape, low, high }: Box, rng: PCG64): Elements {
  const type = elementType(dtype);
  const isFloat = dtype === "float32" || dtype === "float64";
  const drawn = Array.from({ length: count(shape) }, (_, at) => {
    const [lowest, highest] = [boundAt(low, type, at), boundAt(high, type, at)];
    const from = Number(lowest);
    const above = isFloat ? Number(highest) : Number(BigInt.asIntN(64, BigInt(highest) + 1n));
    const value = from + (above - from) * rng.random();
    return isFloat ? value : inside(BigInt(Math.floor(value)), BigInt(lowest), BigInt(highest));
  });
  return made(dtype, drawn);
}

function inside(value: bigint, low: bigint, high: bigint): bigint {
  return value < low ? low : value > high ? high : value;
}

function bits({ shape }: MultiBinary, rng: PCG64): Elements {
  return made("int8", rng.integers(2n, count(shape), 1));
}

function integers({ dtype, nvec, start }: MultiDiscrete, rng: PCG64): Elements {
  const drawn = nvec.map((n, at) => {
    return BigInt(Math.floor(rng.random() * Number(n))) + (start[at] ?? 0n);
  });
  return made(dtype, drawn);
}

/** A length, then each character by its place among the sums of equal probabilities. */
function text({ minLength, maxLength, charset }: Text, rng: PCG64): string {
  const characters = [...charset];
  const sums: number[] = [];
  for (const _ of characters) {
    sums.push((sums.at(-1) ?? 0) + 1 / characters.length);
  }
  const whole = sums.at(-1) ?? 1;
  const length = minLength + Number(rng.integers(BigInt(maxLength - minLength + 1), 1, 8)[0]);
  return Array.from({ length }, () => {
    const drawn = rng.random();
    return characters[sums.findIndex((sum) => sum / whole > drawn)];
  }).join("");
}
