/** Environments that tests serve: those of the transcripts. */

import { type Dynamic, type Env, type EnvReset, type EnvStep, mapOf } from "../src/index.js";
import type { ResetRequest, Space, Value } from "../src/index.js";

const COUNTS: Space = { family: "discrete", dtype: "int64", n: 100n, start: 0n };
const ACTIONS: Space = { family: "discrete", dtype: "int64", n: 3n, start: 0n };

/** The environment `count` of spec/vectors/README.md. */
export class Count implements Env {
  readonly id: string = "Count";
  readonly observationSpace = COUNTS;
  readonly actionSpace = ACTIONS;
  /** How often an action was applied. */
  applied = 0;
  protected total = 0n;

  get count(): Dynamic {
    return { kind: "int", value: this.total };
  }

  set count(value: Dynamic) {
    this.total = value.kind === "int" ? value.value : 0n;
  }

  /** A method to be called: the sum of the count and a number. */
  plus(other: Dynamic): Dynamic {
    return { kind: "int", value: this.total + (other.kind === "int" ? other.value : 0n) };
  }

  reset({ seed, options }: ResetRequest): EnvReset {
    const start = options?.entries.find(([key]) => key.kind === "string" && key.value === "start");
    this.total = start?.[1].kind === "int" ? start[1].value : 0n;
    const info = seed === undefined ? mapOf({}) : mapOf({ seed: { kind: "int", value: seed } });
    return { observation: this.total, info };
  }

  step(action: Value): EnvStep | Promise<EnvStep> {
    if (action === 2n) {
      throw new RangeError("2 is no step");
    }
    this.applied++;
    this.total += action as bigint;
    const terminated = this.total >= 3n;
    return { observation: this.total, reward: Number(action), terminated, truncated: false };
  }
}

/** The environment `drawn` of spec/vectors/README.md. */
export class Drawn extends Count {
  override readonly id = "Drawn";
  readonly renderMode = "ansi";

  override reset({ report }: ResetRequest): EnvReset {
    report("counting", 0.5);
    this.total = 0n;
    return { observation: 0n };
  }

  render(): Dynamic {
    return { kind: "string", value: `count: ${this.total}` };
  }
}

/** `count` whose steps take a moment. */
export class Slow extends Count {
  override async step(action: Value): Promise<EnvStep> {
    await new Promise((resolve) => setTimeout(resolve, 5));
    return super.step(action);
  }
}
