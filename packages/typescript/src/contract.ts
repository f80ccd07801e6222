/** The contract of an environment: what its clients have to know before they play. */

import { create } from "@bufbuild/protobuf";
import { SPEC_VERSION } from "@rlmesh/proto";
import * as proto from "@rlmesh/proto/env/v1/contract_pb";

import { type DynamicMap, mapOf } from "./dynamic.js";
import { readDynamicMap } from "./dynamic_reader.js";
import { writeDynamicMap } from "./dynamic_writer.js";
import type { Env } from "./env.js";
import { malformed } from "./errors.js";
import { readSpace } from "./space_reader.js";
import { writeSpace } from "./space_writer.js";
import type { Space } from "./spaces.js";

/** When a lane of a vector starts its next episode (L-5 to L-9). */
export type AutoresetMode = "next_step" | "same_step" | "disabled";

/** The description of an environment. */
export interface EnvContract {
  /** Registered id, else the name of its class. */
  readonly id: string;
  /** Space of one observation, of one lane for a vector. */
  readonly observationSpace: Space;
  /** Space of one action, of one lane for a vector. */
  readonly actionSpace: Space;
  /** Number of lanes; 1 if it is no vector. */
  readonly numEnvs: number;
  /** Whether values are batches of `numEnvs`. */
  readonly vector: boolean;
  /** Null if it is no vector. */
  readonly autoresetMode: AutoresetMode | null;
  /** Mode that it was made with; empty: it does not render. */
  readonly renderMode: string;
  /** Images a second that its motion is drawn for; null: not specified. */
  readonly renderFps: number | null;
  readonly metadata: DynamicMap;
  /** Steps after which an episode is truncated; null: no such limit is known. */
  readonly maxEpisodeSteps: number | null;
  /** Names that `call`, `getAttribute` and `setAttribute` reach. */
  readonly exposed: readonly string[];
}

const MODES: Readonly<Record<number, AutoresetMode>> = {
  [proto.AutoresetMode.UNSPECIFIED]: "next_step",
  [proto.AutoresetMode.NEXT_STEP]: "next_step",
  [proto.AutoresetMode.SAME_STEP]: "same_step",
  [proto.AutoresetMode.DISABLED]: "disabled",
};

/**
 * The contract of a message, checked by §11, L-1 and T-3.
 *
 * @throws CodecError at the first rule that is broken.
 */
export function readContract(message: proto.EnvContract): EnvContract {
  const { id, numEnvs, vector, exposed, render, registration } = message;
  if (id === "") {
    throw malformed("id", "an id", "none");
  }
  if (message.observationSpace === undefined || message.actionSpace === undefined) {
    throw malformed("contract", "an observation space and an action space", "one that is absent");
  }
  if (numEnvs < 1 || (!vector && numEnvs !== 1)) {
    throw malformed("num_envs", "1 lane, or at least 1 of a vector", String(numEnvs));
  }
  const mode = MODES[message.autoresetMode];
  if (mode === undefined || (!vector && message.autoresetMode !== proto.AutoresetMode.UNSPECIFIED)) {
    throw malformed("autoreset_mode", "a mode of this spec, of a vector", String(message.autoresetMode));
  }
  if (new Set(exposed).size !== exposed.length) {
    throw malformed("exposed", "distinct names", exposed.join(", "));
  }
  const contract: EnvContract = {
    id,
    observationSpace: readSpace(message.observationSpace, "observation_space"),
    actionSpace: readSpace(message.actionSpace, "action_space"),
    numEnvs,
    vector,
    autoresetMode: vector ? mode : null,
    renderMode: render?.mode ?? "",
    renderFps: render?.fps ?? null,
    metadata: readDynamicMap(message.metadata, "metadata"),
    maxEpisodeSteps: limitOf(registration),
    exposed,
  };
  MESSAGES.set(contract, message);
  return contract;
}

/** The messages that contracts were read from: they have more, such as tags, which models need. */
const MESSAGES = new WeakMap<EnvContract, proto.EnvContract>();

/** The message of a contract, as a server has sent it or as it is written. */
export function messageOf(contract: EnvContract): proto.EnvContract {
  return MESSAGES.get(contract) ?? writeContract(contract);
}

function limitOf(registration: proto.Registration | undefined): number | null {
  const limit = registration?.maxEpisodeSteps;
  return limit === undefined ? null : Number(limit);
}

/** The contract of an environment that exposes these names. */
export function contractOf(env: Env, exposed: readonly string[]): EnvContract {
  return {
    id: env.id,
    observationSpace: env.observationSpace,
    actionSpace: env.actionSpace,
    numEnvs: 1,
    vector: false,
    autoresetMode: null,
    renderMode: env.renderMode ?? "",
    renderFps: env.renderFps ?? null,
    metadata: env.metadata ?? mapOf({}),
    maxEpisodeSteps: env.maxEpisodeSteps ?? null,
    exposed,
  };
}

/** The message of a contract of one environment, which is no vector. */
export function writeContract(contract: EnvContract): proto.EnvContract {
  const { id, renderMode, renderFps, metadata, maxEpisodeSteps, exposed } = contract;
  const message = create(proto.EnvContractSchema, {
    id,
    specVersion: SPEC_VERSION,
    observationSpace: writeSpace(contract.observationSpace, "observation_space"),
    actionSpace: writeSpace(contract.actionSpace, "action_space"),
    numEnvs: 1,
    exposed: [...exposed],
  });
  if (renderMode !== "") {
    const fps = renderFps === null ? {} : { fps: renderFps };
    message.render = create(proto.RenderSpecSchema, { mode: renderMode, ...fps });
  }
  if (metadata.entries.length > 0) {
    message.metadata = writeDynamicMap(metadata, "metadata");
  }
  if (maxEpisodeSteps !== null) {
    const init = { maxEpisodeSteps: BigInt(maxEpisodeSteps) };
    message.registration = create(proto.RegistrationSchema, init);
  }
  return message;
}
