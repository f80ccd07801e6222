/** `RemoteModel`: a model that another process serves. */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { ModelService, type PredictResponse } from "@rlmesh/proto/model/v1/model_pb";
import { Capability } from "@rlmesh/proto/session/v1/handshake_pb";

import type { Answered, ClientService, HeaderInit } from "./client_session.js";
import { ValueCodec } from "./client_values.js";
import { type EnvContract, messageOf } from "./contract.js";
import type { DynamicMap } from "./dynamic.js";
import { readDynamicMap } from "./dynamic_reader.js";
import { malformed, unsupported } from "./errors.js";
import { ModelRequestSchema, ModelResponseSchema } from "./exact.js";
import { type FormName, formOf, type ModelSpec, readSpec } from "./model_spec.js";
import { type ConnectOptions, RemoteClient } from "./remote_client.js";
import { InvalidValueError, ModelError } from "./remote_errors.js";
import { seedOf } from "./remote_env.js";
import type { Value } from "./values.js";

type Requests = NonNullable<MessageInitShape<typeof ModelRequestSchema>["request"]>;
type RequestBody = Extract<Requests, { case: string }>;

/** What an episode may be given. */
export interface EpisodeOptions {
  /** Lane of the session, from 0; each has one episode at a time. 0 by default. */
  readonly lane?: number;
  /** Name of the episode, for logs. */
  readonly episodeId?: string;
  readonly seed?: number | bigint;
  /** Instruction for the model's text inputs. */
  readonly instruction?: string;
}

/** What a prediction may be given. */
export interface PredictOptions {
  /** Number of steps of the episode before the observation; absent: one for each action so far. */
  readonly step?: number;
  /** Observations since the last prediction for which no action was wanted, the oldest first. */
  readonly observed?: readonly Value[];
}

/** What a chunk of one lane may be given. */
export interface LaneOptions extends PredictOptions {
  /** Actions of the chunk before, for the steps from that of the observation on. */
  readonly prefix?: readonly Value[];
  /** Number of the first ones of `prefix` that are applied whatever the answer is; 0 by default. */
  readonly committed?: number;
}

/** What a chunk may be given. */
export interface ChunkOptions extends LaneOptions {
  /** Largest number of actions that are wanted; absent: as many as the model gives. */
  readonly maxLength?: number;
}

/** A prediction. */
export interface Prediction {
  readonly action: Value;
  /** What else the model reports of it. */
  readonly info: DynamicMap;
}

/** Several actions: a chunk in the order of time, or one a lane. */
export interface Predictions {
  readonly actions: readonly Value[];
  readonly info: DynamicMap;
}

/** A model that another process serves, for the observations of one environment. */
export class RemoteModel extends RemoteClient<RequestBody, ModelSpec> {
  private readonly observations: ValueCodec;
  private readonly observedValues: ValueCodec;
  private readonly prefixes: ValueCodec;
  private readonly actions: ValueCodec;

  private constructor(address: string, contract: EnvContract, options: ConnectOptions) {
    super(address, options, new ModelMessages(contract));
    const { observationSpace, actionSpace } = contract;
    this.observations = new ValueCodec(observationSpace, "observation", this.validation);
    this.observedValues = new ValueCodec(observationSpace, "observed", this.validation);
    this.prefixes = new ValueCodec(actionSpace, "prefix", this.validation);
    this.actions = new ValueCodec(actionSpace, "actions", "off");
  }

  /**
   * Open a session with the model at an address.
   *
   * @param contract The environment that the observations are of: `RemoteEnv.contract`.
   * @throws RLMeshError if no server answers, or if the model does not fit the environment.
   */
  static async connect(
    address: string,
    contract: EnvContract,
    options: ConnectOptions = {},
  ): Promise<RemoteModel> {
    const model = new RemoteModel(address, contract, options);
    await model.open(() => {});
    return model;
  }

  /** The model's spec. */
  get spec(): ModelSpec {
    return this.described;
  }

  /** Begin an episode in a lane. */
  async startEpisode(options: EpisodeOptions = {}): Promise<void> {
    const { lane = 0, episodeId = "", seed, instruction } = options;
    const value = {
      lane,
      episodeId,
      ...(seed !== undefined && { seed: seedOf(seed) }),
      ...(instruction !== undefined && { instruction }),
    };
    await this.exchange("startEpisode", { case: "startEpisode", value });
  }

  /**
   * The action for one observation.
   *
   * @throws InvalidValueError if the observation is not of its space; nothing is sent then.
   */
  async predict(observation: Value, lane = 0, options: PredictOptions = {}): Promise<Prediction> {
    const { actions, info } = await this.ask("single", [observation], [lane], [options]);
    return { action: actions[0] as Value, info };
  }

  /** The actions for observations of several lanes, one a lane; `each` has options of each lane. */
  predictBatch(
    observations: readonly Value[],
    lanes: readonly number[] = observations.map((_, lane) => lane),
    each: readonly PredictOptions[] = [],
  ): Promise<Predictions> {
    return this.ask("batch", observations, lanes, each);
  }

  /** Consecutive actions for one observation. */
  predictChunk(observation: Value, lane = 0, options: ChunkOptions = {}): Promise<Predictions> {
    return this.ask("chunk", [observation], [lane], [options], options.maxLength);
  }

  /**
   * Consecutive actions for observations of several lanes: all of the first lane first.
   *
   * @param each Options of each lane.
   */
  predictChunks(
    observations: readonly Value[],
    lanes: readonly number[] = observations.map((_, lane) => lane),
    { maxLength, each = [] }: { readonly maxLength?: number; readonly each?: readonly LaneOptions[] } = {},
  ): Promise<Predictions> {
    return this.ask("chunk_batch", observations, lanes, each, maxLength);
  }

  private async ask(
    form: FormName,
    observations: readonly Value[],
    lanes: readonly number[],
    each: readonly LaneOptions[],
    maxLength = 0,
  ): Promise<Predictions> {
    if (!this.spec.forms.includes(form)) {
      throw unsupported("form", `one of ${this.spec.forms.join(", ")}`, form);
    }
    const isBatch = form === "batch" || form === "chunk_batch";
    if (observations.length !== lanes.length || lanes.length === 0) {
      const counts = `${observations.length} for ${lanes.length} lanes`;
      throw new InvalidValueError("observations", "one observation for each of some lanes", counts);
    }
    if (each.length > 0 && each.length !== lanes.length) {
      throw new InvalidValueError("each", `options for ${lanes.length} lanes`, String(each.length));
    }
    if (lanes.length > 1 && !this.can(Capability.BATCH)) {
      throw unsupported("lanes", "one lane, because the server has no batches", String(lanes.length));
    }
    const observation = isBatch
      ? this.observations.writeBatch(observations)
      : this.observations.writeOne(observations[0] as Value);
    const value = {
      form: formOf(form),
      lanes: [...lanes],
      observation,
      maxChunkLength: maxLength,
      ...this.past(each),
      ...this.future(each),
    };
    const answer = (await this.exchange("predict", { case: "predict", value })) as PredictResponse;
    return { actions: this.actionsOf(answer, form, lanes.length), info: readDynamicMap(answer.info, "info") };
  }

  /** The steps of the lanes' observations, and the observations before them (P-14, P-15). */
  private past(each: readonly LaneOptions[]) {
    const observes = each.some(({ observed }) => observed !== undefined);
    if (!observes && each.every(({ step }) => step === undefined)) {
      return {};
    }
    if (!this.can(Capability.EPISODE_STEPS)) {
      throw unsupported("step", "no step, because the server takes none", "one");
    }
    const steps = each.map(({ step = NaN }) => {
      if (!Number.isSafeInteger(step) || step < 0) {
        throw new InvalidValueError("step", "the step of each observation, 0 or more", String(step));
      }
      return BigInt(step);
    });
    if (!observes) {
      return { steps };
    }
    if (!this.can(Capability.OBSERVE)) {
      throw unsupported("observed", "none, because the server does not take any", "some");
    }
    const observed = this.observedValues.writeBatch(each.flatMap((lane) => lane.observed ?? []));
    return { steps, observedCounts: each.map((lane) => lane.observed?.length ?? 0), observed };
  }

  /** The actions that the lanes' chunks continue (P-18). */
  private future(each: readonly LaneOptions[]) {
    if (each.every(({ prefix }) => prefix === undefined)) {
      return {};
    }
    if (!this.can(Capability.ACTION_PREFIX)) {
      throw unsupported("prefix", "none, because the server does not take one", "a prefix");
    }
    const prefixCounts = each.map(({ prefix = [] }) => prefix.length);
    const committedCounts = each.map(({ committed = 0 }, lane) => {
      const most = prefixCounts[lane] ?? 0;
      if (!Number.isInteger(committed) || committed < 0 || committed > most) {
        throw new InvalidValueError("committed", `0 to ${most}`, String(committed));
      }
      return committed;
    });
    const prefix = this.prefixes.writeBatch(each.flatMap((lane) => lane.prefix ?? []));
    return { prefix, prefixCounts, committedCounts };
  }

  /** The actions of an answer, by the table of P-9. */
  private actionsOf({ actions, chunkLength }: PredictResponse, form: FormName, lanes: number): Value[] {
    if (form === "single") {
      return [this.actions.one(actions)];
    }
    if (form === "batch") {
      return this.actions.batch(actions, lanes);
    }
    if (chunkLength < 1) {
      throw malformed("chunk_length", "at least 1 action", String(chunkLength));
    }
    return this.actions.batch(actions, lanes * chunkLength);
  }

  /** End the episode of a lane. */
  async endEpisode(lane = 0): Promise<void> {
    await this.exchange("endEpisode", { case: "endEpisode", value: { lane } });
  }
}

class ModelMessages implements ClientService<RequestBody, ModelSpec> {
  readonly name = ModelService.typeName;
  readonly describes = "spec";
  readonly close: RequestBody = { case: "close", value: {} };
  readonly error = ModelError;

  constructor(private readonly contract: EnvContract) {}

  open(header: HeaderInit, isNew: boolean): RequestBody {
    const contract = isNew ? { contract: messageOf(this.contract) } : {};
    return { case: "open", value: { header, ...contract } };
  }

  write(sequence: bigint, request: RequestBody): Uint8Array {
    return toBinary(ModelRequestSchema, create(ModelRequestSchema, { sequence, request }));
  }

  parse(frame: Uint8Array): Answered<ModelSpec> {
    const { sequence, response } = parseModelResponse(frame);
    const { case: name, value } = response;
    const spec = response.case === "open" ? response.value.spec : undefined;
    return {
      sequence,
      name,
      value,
      failure: response.case === "error" ? response.value : undefined,
      opened: response.case === "open" ? response.value : undefined,
      describe: spec && (() => readSpec(spec)),
    };
  }
}

function parseModelResponse(frame: Uint8Array) {
  try {
    return fromBinary(ModelResponseSchema, frame);
  } catch (error) {
    throw malformed("", "a SessionResponse of a model", String(error));
  }
}
