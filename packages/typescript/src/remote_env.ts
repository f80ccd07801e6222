/** `RemoteEnv`: an environment that another process serves. */

import type * as proto from "@rlmesh/proto/env/v1/env_pb";

import { ValueCodec } from "./client_values.js";
import type { EnvContract } from "./contract.js";
import type { Dynamic, DynamicMap } from "./dynamic.js";
import { readDynamicMap } from "./dynamic_reader.js";
import { writeDynamicMap } from "./dynamic_writer.js";
import { unsupported } from "./errors.js";
import { ExposedClient } from "./exposed_client.js";
import type { ConnectOptions } from "./remote_client.js";
import { errorOf, InvalidValueError, RemoteError } from "./remote_errors.js";
import type { Value } from "./values.js";

/** The first observation of an episode. */
export interface Reset {
  readonly observation: Value;
  readonly info: DynamicMap;
  /** Time of the simulation at the observation, in seconds; null: not stated. */
  readonly simTime: number | null;
}

/** The result of a step. */
export interface Step extends Reset {
  readonly reward: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
}

/** The result of one of several steps, whose observation may not have been asked for. */
export type StepOfMany = Omit<Step, "observation"> & { readonly observation: Value | null };

/** What a reset may be given. */
export interface ResetOptions {
  /** Seed of 0 to 2^64 - 1; absent: the environment goes on with its generator. */
  readonly seed?: number | bigint;
  /** The environment's reset options. */
  readonly options?: DynamicMap;
  /** Name of the episode, for logs. */
  readonly episodeId?: string;
}

/** An environment that another process serves, which is no vector. */
export class RemoteEnv extends ExposedClient {
  private actions: ValueCodec | undefined;
  private observations: ValueCodec | undefined;

  /**
   * Open a session with the environment at an address.
   *
   * @throws RLMeshError if no server answers, it refuses, or it serves a vector.
   */
  static async connect(address: string, options: ConnectOptions = {}): Promise<RemoteEnv> {
    const env = new RemoteEnv(address, options);
    await env.open((contract) => env.prepare(contract));
    return env;
  }

  private prepare({ vector, actionSpace, observationSpace }: EnvContract): void {
    if (vector) {
      throw unsupported("contract", "one environment: use RemoteVectorEnv", "a vector");
    }
    this.actions = new ValueCodec(actionSpace, "action", this.validation);
    this.observations = new ValueCodec(observationSpace, "observation", "off");
  }

  /** Start an episode. */
  async reset(options: ResetOptions = {}): Promise<Reset> {
    const answer = await this.ask("reset", { case: "reset", value: resetRequest(options) });
    return { observation: this.observation(answer), ...factsOf(answer) };
  }

  /**
   * Apply one action.
   *
   * @throws InvalidValueError if the action is not of the action space; nothing is sent then.
   */
  async step(action: Value): Promise<Step> {
    const value = { action: this.codec.writeOne(action) };
    const answer = await this.ask("step", { case: "step", value });
    return { ...stepOf(answer), observation: this.observation(answer) };
  }

  /**
   * Apply several actions in one request, until one ends the episode.
   *
   * @param allObservations Whether every step has its observation, not only the last one.
   * @throws RemoteError if a step fails; its `steps` are those before it.
   */
  async stepMany(actions: readonly Value[], allObservations = false): Promise<StepOfMany[]> {
    const batch = this.codec.writeBatch(actions);
    const value = { actions: batch, count: actions.length, allObservations };
    const answer = await this.ask("stepMany", { case: "stepMany", value });
    return stepsOf(answer, this.address, (step) => ({
      ...stepOf(step),
      observation: step.observation ? this.observation(step) : null,
    }));
  }

  /** What the environment's `render` returned. */
  render(): Promise<Dynamic> {
    return this.draw([]);
  }

  private get codec(): ValueCodec {
    return this.actions as ValueCodec;
  }

  private observation({ observation }: proto.ResetResponse | proto.StepResponse): Value {
    return (this.observations as ValueCodec).one(observation);
  }
}

/** The message of a reset, without what only vectors have. */
export function resetRequest({ seed, options, episodeId }: ResetOptions) {
  return {
    ...(seed === undefined ? {} : { seed: seedOf(seed) }),
    ...(options === undefined ? {} : { options: writeDynamicMap(options, "options") }),
    ...(episodeId === undefined ? {} : { episodeId }),
  };
}

/** A seed that fits in 64 bits. */
export function seedOf(seed: number | bigint): bigint {
  if (typeof seed === "number" && !Number.isSafeInteger(seed)) {
    throw new InvalidValueError("seed", "a bigint or a safe integer", String(seed));
  }
  const integer = BigInt(seed);
  if (BigInt.asUintN(64, integer) !== integer) {
    throw new InvalidValueError("seed", "0 to 2^64 - 1", String(seed));
  }
  return integer;
}

/** What an answer has beside its observation and rewards. */
export function factsOf({ info, simTime }: proto.ResetResponse | proto.StepResponse) {
  return { info: readDynamicMap(info, "info"), simTime: simTime ?? null };
}

function stepOf(answer: proto.StepResponse): Omit<Step, "observation"> {
  const { reward, terminated, truncated } = answer;
  return { reward, terminated, truncated, ...factsOf(answer) };
}

/** The results of several steps; raises the error of the one that failed. */
export function stepsOf<Result>(
  answer: proto.StepManyResponse,
  address: string,
  read: (step: proto.StepResponse) => Result,
): Result[] {
  const steps = answer.steps.map(read);
  if (answer.error !== undefined) {
    const error = errorOf(answer.error, address);
    if (error instanceof RemoteError) {
      error.steps = steps;
    }
    throw error;
  }
  return steps;
}
