/** Models as this package serves them. */

import type { DynamicMap } from "./dynamic.js";
import type { Space } from "./spaces.js";
import type { Value } from "./values.js";

/** The episode of a lane, from its beginning to its end. */
export interface Episode<State = unknown> {
  /** Name that the client has given it; may be empty. */
  readonly id: string;
  readonly seed?: bigint;
  /** Instruction for the model; absent: none was given. */
  readonly instruction?: string;
  /** Number of steps of the episode before the observation that is being predicted for. */
  readonly step: number;
  /** What the model's `start` has returned, for it to change. */
  readonly state: State;
}

/** What else a chunk is predicted from. */
export interface ChunkRequest {
  /** Largest number of actions that are wanted; absent: as many as the model gives. */
  readonly maxLength?: number;
  /** Actions of the chunk before, for the steps from that of the observation on (P-18). */
  readonly prefix: readonly Value[];
  /** Number of the first ones that are applied whatever the answer is. */
  readonly committed: number;
}

/**
 * A model. Its methods may be asynchronous; those of one session run one at a time, and those of
 * several sessions may then overlap, so that what a model keeps of an episode belongs into `state`.
 */
export interface Model<State = unknown> {
  /** Name of the model. */
  readonly id: string;
  /** Space of the observations that it was built for; a client with another one is refused. */
  readonly observationSpace?: Space;
  /** Space of the actions that it was built for; a client with another one is refused. */
  readonly actionSpace?: Space;
  /** Whether predictions depend on earlier observations of the episode. */
  readonly stateful?: boolean;
  /** Length of its chunks, if all have one. */
  readonly chunkLength?: number;
  readonly metadata?: DynamicMap;
  /** An episode begins; what is returned is its state. */
  start?(episode: Omit<Episode, "state">): State | Promise<State>;
  /** The action for an observation. */
  predict(observation: Value, episode: Episode<State>): Value | Promise<Value>;
  /** Consecutive actions for an observation, at least one; absent: it predicts no chunks. */
  predictChunk?(
    observation: Value,
    episode: Episode<State>,
    request: ChunkRequest,
  ): readonly Value[] | Promise<readonly Value[]>;
  /** An observation that no action is wanted for; absent: it cannot take one. */
  observe?(observation: Value, episode: Episode<State>): void | Promise<void>;
  /** An episode has ended. */
  end?(episode: Episode<State>): void | Promise<void>;
}
