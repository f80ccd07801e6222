/** Environments as this package serves them. */

import type { Dynamic, DynamicMap } from "./dynamic.js";
import type { Space } from "./spaces.js";
import type { Value } from "./values.js";

/** What a reset is given. */
export interface ResetRequest {
  /** Absent: the environment goes on with its generator. */
  readonly seed?: bigint;
  /** Absent: none were given, which is not the same as an empty map. */
  readonly options?: DynamicMap;
  /** Report the progress of a long call, as a fraction of 0 to 1. */
  readonly report: (message: string, fraction?: number) => void;
}

/** The first observation of an episode. */
export interface EnvReset {
  readonly observation: Value;
  readonly info?: DynamicMap;
  /** Time of the simulation at the observation, in seconds. */
  readonly simTime?: number;
}

/** The result of a step. */
export interface EnvStep extends EnvReset {
  readonly reward: number;
  readonly terminated: boolean;
  readonly truncated: boolean;
}

/**
 * An environment. Its methods may be asynchronous: one runs at a time. A method that blocks this
 * process for 20 s or more keeps it from sending pulses, and its client takes the connection as lost.
 */
export interface Env {
  /** Registered id, else the name of its class. */
  readonly id: string;
  readonly observationSpace: Space;
  readonly actionSpace: Space;
  /** Mode that it renders in, such as "rgb_array" or "ansi"; absent: it does not render. */
  readonly renderMode?: string;
  readonly renderFps?: number;
  readonly metadata?: DynamicMap;
  /** Steps after which an episode is truncated. */
  readonly maxEpisodeSteps?: number;
  reset(request: ResetRequest): EnvReset | Promise<EnvReset>;
  step(action: Value): EnvStep | Promise<EnvStep>;
  render?(): Dynamic | Promise<Dynamic>;
}
