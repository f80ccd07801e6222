/** `RemoteVectorEnv`: a vector of environments that another process serves. */

import type * as proto from "@rlmesh/proto/env/v1/env_pb";

import { ValueCodec } from "./client_values.js";
import type { EnvContract } from "./contract.js";
import type { Dynamic, DynamicMap } from "./dynamic.js";
import { malformed, unsupported } from "./errors.js";
import { ExposedClient } from "./exposed_client.js";
import type { ConnectOptions } from "./remote_client.js";
import { InvalidValueError } from "./remote_errors.js";
import { factsOf, resetRequest, type ResetOptions, seedOf, stepsOf } from "./remote_env.js";
import type { Value } from "./values.js";

/** The first observations of episodes, one a lane; a lane that was not reset has its last one. */
export interface VectorReset {
  readonly observations: readonly Value[];
  readonly info: DynamicMap;
  /** Time of the simulation at the observations, in seconds; null: not stated. */
  readonly simTime: number | null;
}

/** The result of a step of every lane. */
export interface VectorStep extends VectorReset {
  readonly rewards: Float64Array;
  readonly terminated: readonly boolean[];
  readonly truncated: readonly boolean[];
  /** With autoreset "same_step": the last observation of each lane's episode that ended, or null. */
  readonly finalObservations: readonly (Value | null)[] | null;
}

/** The result of one of several steps, whose observations may not have been asked for. */
export type VectorStepOfMany = Omit<VectorStep, "observations"> & {
  readonly observations: readonly Value[] | null;
};

/** What a reset of a vector may be given. */
export interface VectorResetOptions extends ResetOptions {
  /** A seed a lane, or null for a lane without one; never together with `seed`. */
  readonly seeds?: readonly (number | bigint | null)[];
  /** With autoreset "disabled": which lanes are reset; absent: all. */
  readonly mask?: readonly boolean[];
}

/** A vector of environments that another process serves. */
export class RemoteVectorEnv extends ExposedClient {
  private actions: ValueCodec | undefined;
  private observations: ValueCodec | undefined;

  /**
   * Open a session with the vector at an address.
   *
   * @throws RLMeshError if no server answers, it refuses, or it serves no vector.
   */
  static async connect(address: string, options: ConnectOptions = {}): Promise<RemoteVectorEnv> {
    const env = new RemoteVectorEnv(address, options);
    await env.open((contract) => env.prepare(contract));
    return env;
  }

  private prepare({ vector, actionSpace, observationSpace }: EnvContract): void {
    if (!vector) {
      throw unsupported("contract", "a vector: use RemoteEnv", "one environment");
    }
    this.actions = new ValueCodec(actionSpace, "action", this.validation);
    this.observations = new ValueCodec(observationSpace, "observation", "off");
  }

  /** Number of lanes. */
  get numEnvs(): number {
    return this.contract.numEnvs;
  }

  /** Start an episode in every lane, or in those of the mask. */
  async reset(options: VectorResetOptions = {}): Promise<VectorReset> {
    const { seeds, mask, seed } = options;
    if (seeds !== undefined && seed !== undefined) {
      throw new InvalidValueError("seeds", "`seed` or `seeds`", "both");
    }
    const value = {
      ...resetRequest(options),
      ...(seeds === undefined ? {} : { laneSeeds: this.laneSeeds(seeds) }),
      ...(mask === undefined ? {} : { laneMask: Uint8Array.from(this.lanes(mask, "mask"), Number) }),
    };
    const answer = await this.ask("reset", { case: "reset", value });
    return { observations: this.batch(answer), ...factsOf(answer) };
  }

  private laneSeeds(seeds: readonly (number | bigint | null)[]) {
    const present = this.lanes(seeds, "seeds").map((seed) => seed !== null);
    return {
      seeds: seeds.map((seed) => (seed === null ? 0n : seedOf(seed))),
      present: present.every(Boolean) ? new Uint8Array() : Uint8Array.from(present, Number),
    };
  }

  private lanes<Each>(values: readonly Each[], path: string): readonly Each[] {
    if (values.length !== this.numEnvs) {
      throw new InvalidValueError(path, `one for each of ${this.numEnvs} lanes`, String(values.length));
    }
    return values;
  }

  /** Apply one action a lane. */
  async step(actions: readonly Value[]): Promise<VectorStep> {
    const lanes = this.lanes(actions, "action");
    const value = { action: this.codec.writeBatch(lanes) };
    const answer = await this.ask("step", { case: "step", value });
    return { ...this.stepOf(answer), observations: this.batch(answer) };
  }

  /**
   * Apply several actions a lane in one request, until a step ends an episode in any lane.
   *
   * @param allObservations Whether every step has its observations, not only the last one.
   * @throws RemoteError if a step fails; its `steps` are those before it.
   */
  async stepMany(
    actions: readonly (readonly Value[])[],
    allObservations = false,
  ): Promise<VectorStepOfMany[]> {
    const all = actions.flatMap((each) => [...this.lanes(each, "actions")]);
    const batch = this.codec.writeBatch(all);
    const value = { actions: batch, count: actions.length, allObservations };
    const answer = await this.ask("stepMany", { case: "stepMany", value });
    return stepsOf(answer, this.address, (step) => ({
      ...this.stepOf(step),
      observations: step.observation ? this.batch(step) : null,
    }));
  }

  /** What `render` returned: a list with one entry for each of these lanes, or for all. */
  render(lanes: readonly number[] = []): Promise<Dynamic> {
    return this.draw(lanes);
  }

  private get codec(): ValueCodec {
    return this.actions as ValueCodec;
  }

  private batch({ observation }: proto.ResetResponse | proto.StepResponse): Value[] {
    return (this.observations as ValueCodec).batch(observation, this.numEnvs);
  }

  private stepOf(answer: proto.StepResponse): Omit<VectorStep, "observations"> {
    const { lanes } = answer;
    if (lanes?.rewards.length !== 8 * this.numEnvs) {
      throw malformed("lanes", `rewards of ${this.numEnvs} lanes`, `${lanes?.rewards.length} bytes`);
    }
    const view = new DataView(lanes.rewards.buffer, lanes.rewards.byteOffset);
    return {
      rewards: Float64Array.from({ length: this.numEnvs }, (_, at) => view.getFloat64(8 * at, true)),
      terminated: this.flags(lanes.terminated, "terminated"),
      truncated: this.flags(lanes.truncated, "truncated"),
      finalObservations: this.finalOf(answer.finalObservations),
      ...factsOf(answer),
    };
  }

  /** The flags of a mask (G-5). */
  private flags(mask: Uint8Array, path: string): boolean[] {
    if (mask.length !== this.numEnvs || mask.some((byte) => byte > 1)) {
      throw malformed(path, `${this.numEnvs} bytes of 0 and 1`, `${mask.length} bytes: ${mask}`);
    }
    return Array.from(mask, Boolean);
  }

  private finalOf(message: proto.FinalObservations | undefined): (Value | null)[] | null {
    if (message === undefined) {
      return null;
    }
    const mask = this.flags(message.mask, "final_observations");
    const count = mask.filter(Boolean).length;
    const values = (this.observations as ValueCodec).batch(message.observations, count);
    let at = 0;
    return mask.map((has) => (has ? (values[at++] as Value) : null));
  }
}
