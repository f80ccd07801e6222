/** Requests to a model: each is checked, applied and answered (§16). */

import type * as proto from "@rlmesh/proto/model/v1/model_pb";
import { PredictForm } from "@rlmesh/proto/model/v1/spec_pb";
import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";
import type * as values from "@rlmesh/proto/spaces/v1/value_pb";

import { SpaceCodec } from "./codec.js";
import { nonconformities, type Validation } from "./conformance.js";
import type { EnvContract } from "./contract.js";
import { limitExceeded, malformed, unsupported } from "./errors.js";
import type { Episode, Model } from "./model.js";
import type { ModelBody } from "./model_service.js";
import { failureOf, OwnCalls, Refusal, result } from "./refusals.js";
import type { SessionRequests } from "./service.js";
import type { Space } from "./spaces.js";
import type { Value } from "./values.js";

type Request = proto.SessionRequest["request"];

/** Largest number of lanes of one request that a server of this package takes (M-1). */
const MAX_LANES = 65_536;

/** A running episode. */
interface Lane<State> {
  readonly episode: Omit<Episode<State>, "step">;
  /** Step of the next observation, unless the client says otherwise (P-14). */
  next: number;
}

/** What is predicted for one lane. */
interface Asked<State> {
  readonly lane: Lane<State>;
  readonly observation: Value;
  readonly step: number;
  /** Earlier observations that no action is wanted for, the oldest first. */
  readonly observed: readonly Value[];
  readonly prefix: readonly Value[];
  readonly committed: number;
}

/** Applies the requests of one session to a model. */
export class ModelRequests<State> implements SessionRequests<Request, ModelBody> {
  private readonly observations: SpaceCodec;
  private readonly observedCodec: SpaceCodec;
  private readonly prefixCodec: SpaceCodec;
  private readonly actions: SpaceCodec;
  private readonly lanes = new Map<number, Lane<State>>();
  private readonly own = new OwnCalls();

  constructor(
    private readonly model: Model<State>,
    private readonly contract: EnvContract,
    private readonly validation: Validation,
    private readonly forms: readonly PredictForm[],
  ) {
    this.observations = new SpaceCodec(contract.observationSpace, "observation");
    this.observedCodec = new SpaceCodec(contract.observationSpace, "observed");
    this.prefixCodec = new SpaceCodec(contract.actionSpace, "prefix");
    this.actions = new SpaceCodec(contract.actionSpace, "actions");
  }

  async answer(request: Request): Promise<{ response: ModelBody; callUs: bigint }> {
    let response: ModelBody;
    try {
      response = await this.apply(request);
    } catch (error) {
      response = { case: "error", value: failureOf(error) };
    }
    return { response, callUs: this.own.takeMicroseconds() };
  }

  private apply(request: Request): Promise<ModelBody> {
    switch (request.case) {
      case "open":
      case "describe":
        throw new Refusal({ code: ErrorCode.WRONG_STATE, message: "the session is open already" });
      case "startEpisode":
        return this.start(request.value);
      case "predict":
        return this.predict(request.value);
      case "endEpisode":
        return this.end(request.value);
      case "close":
        return this.close();
      default: {
        const message = `the server does not have the request ${request.case ?? "of a newer spec"}`;
        throw new Refusal({ code: ErrorCode.UNSUPPORTED, message });
      }
    }
  }

  private async start(message: proto.StartEpisodeRequest): Promise<ModelBody> {
    const { lane, episodeId, seed, instruction } = message;
    await this.drop(lane);
    const facts = {
      id: episodeId,
      ...(seed !== undefined && { seed }),
      ...(instruction !== undefined && { instruction }),
    };
    const state = (await this.own.call("start", () => {
      return this.model.start?.({ ...facts, step: 0 });
    })) as State;
    this.lanes.set(lane, { episode: { ...facts, state }, next: 0 });
    return { case: "startEpisode", value: {} };
  }

  /** End the episode of a lane, if there is one. */
  private async drop(number: number): Promise<void> {
    const lane = this.lanes.get(number);
    this.lanes.delete(number);
    if (lane !== undefined) {
      const episode = { ...lane.episode, step: lane.next };
      await this.own.call("end", () => this.model.end?.(episode));
    }
  }

  private async end({ lane }: proto.EndEpisodeRequest): Promise<ModelBody> {
    this.running(lane, "lane");
    await this.drop(lane);
    return { case: "endEpisode", value: {} };
  }

  private async close(): Promise<ModelBody> {
    for (const lane of [...this.lanes.keys()]) {
      await this.drop(lane);
    }
    return { case: "close", value: {} };
  }

  /** The episode of a lane (P-7). */
  private running(number: number, path: string): Lane<State> {
    const lane = this.lanes.get(number);
    if (lane === undefined) {
      const message = `expected a lane with a running episode, got lane ${number}`;
      throw new Refusal({ code: ErrorCode.WRONG_STATE, message, path });
    }
    return lane;
  }

  private async predict(message: proto.PredictRequest): Promise<ModelBody> {
    const asked = this.read(message);
    if (message.form === PredictForm.SINGLE || message.form === PredictForm.BATCH) {
      return this.predicted(message.form, asked);
    }
    return this.chunks(message.form, asked, message.maxChunkLength);
  }

  /** What is asked for each lane, in the order of N-2: the message, then values, then states. */
  private read(message: proto.PredictRequest): Asked<State>[] {
    const { form, lanes, observation, steps } = message;
    if (!this.forms.includes(form)) {
      throw unsupported("form", `one of the forms ${this.forms.join(", ")}`, String(form));
    }
    const isBatch = form === PredictForm.BATCH || form === PredictForm.CHUNK_BATCH;
    if (isBatch ? lanes.length === 0 : lanes.length !== 1) {
      throw malformed("lanes", isBatch ? "at least one lane" : "one lane", String(lanes.length));
    }
    if (lanes.length > MAX_LANES) {
      throw limitExceeded("lanes", `at most ${MAX_LANES} lanes`, String(lanes.length));
    }
    if (new Set(lanes).size !== lanes.length) {
      throw malformed("lanes", "distinct lanes", "one that repeats");
    }
    if (observation === undefined) {
      throw malformed("observation", "an observation", "none");
    }
    if (steps.length > 0 && steps.length !== lanes.length) {
      throw malformed("steps", `${lanes.length} steps, one a lane`, String(steps.length));
    }
    const observed = this.readObserved(message);
    const { prefix, committed } = this.readPrefix(message);
    const observations = this.readObservations(observation, isBatch ? lanes.length : undefined);
    const running = lanes.map((number) => this.running(number, "lanes"));
    return running.map((lane, at) => ({
      lane,
      observation: observations[at] as Value,
      step: steps.length > 0 ? Number(steps[at]) : lane.next,
      observed: observed[at] ?? [],
      prefix: prefix[at] ?? [],
      committed: committed[at] ?? 0,
    }));
  }

  private readObservations(message: values.Value, count: number | undefined): Value[] {
    if (message.batchSize !== count) {
      const expected = count === undefined ? "one value" : `a batch of ${count}`;
      const text = `observation: expected ${expected}, got batch_size ${message.batchSize}`;
      throw new Refusal({ code: ErrorCode.INVALID_VALUE, message: text, path: "observation" });
    }
    const { observationSpace } = this.contract;
    const read =
      count === undefined
        ? [this.observations.decode(message.slabs)]
        : this.observations.decodeBatch(message.slabs, count);
    read.forEach((value) => this.checkReceived(observationSpace, value, "observation"));
    return read;
  }

  /** `observed`, by lanes (P-15). */
  private readObserved({ observed, observedCounts, lanes, steps }: proto.PredictRequest): Value[][] {
    if (observed === undefined && observedCounts.length === 0) {
      return [];
    }
    if (observed === undefined || observedCounts.length !== lanes.length) {
      throw malformed("observed_counts", "`observed`, with a count for each lane", "another number");
    }
    if (steps.length === 0) {
      throw malformed("steps", "the steps of the lanes, with `observed`", "none");
    }
    if (this.model.observe === undefined) {
      throw unsupported("observed", "no observations without an action", "some");
    }
    const split = splitBatch(this.observedCodec, observed, observedCounts, "observed");
    const { observationSpace } = this.contract;
    split.flat().forEach((value) => this.checkReceived(observationSpace, value, "observed"));
    return split;
  }

  /** `prefix`, by lanes (P-18). */
  private readPrefix(message: proto.PredictRequest): {
    readonly prefix: Value[][];
    readonly committed: number[];
  } {
    const { prefix, prefixCounts, committedCounts, lanes } = message;
    if (prefix === undefined && prefixCounts.length === 0 && committedCounts.length === 0) {
      return { prefix: [], committed: [] };
    }
    if (this.model.predictChunk === undefined) {
      throw unsupported("prefix", "no prefix", "one");
    }
    if (prefix === undefined) {
      throw malformed("prefix", "a prefix, with counts", "none");
    }
    for (const [path, counts] of Object.entries({ prefixCounts, committedCounts })) {
      if (counts.length !== lanes.length) {
        const name = path === "prefixCounts" ? "prefix_counts" : "committed_counts";
        throw malformed(name, `${lanes.length} counts, one a lane`, String(counts.length));
      }
    }
    if (committedCounts.some((count, at) => count > (prefixCounts[at] ?? 0))) {
      throw malformed("committed_counts", "at most the prefix of each lane", String(committedCounts));
    }
    const split = splitBatch(this.prefixCodec, prefix, prefixCounts, "prefix");
    split.flat().forEach((value) => this.checkReceived(this.contract.actionSpace, value, "prefix"));
    return { prefix: split, committed: committedCounts };
  }

  private checkReceived(space: Space, value: Value, path: string): void {
    if (this.validation !== "strict") {
      return;
    }
    for (const { path: at, expected, actual } of nonconformities(space, value, path)) {
      const message = `${at}: expected ${expected}, got ${actual}`;
      throw new Refusal({ code: ErrorCode.INVALID_VALUE, message, path: at, expected, actual });
    }
  }

  private async predicted(form: PredictForm, asked: readonly Asked<State>[]): Promise<ModelBody> {
    const actions: Value[] = [];
    for (const one of asked) {
      const episode = await this.observe(one);
      actions.push(await this.own.call("predict", () => this.model.predict(one.observation, episode)));
      one.lane.next = one.step + 1;
    }
    return this.body(actions, form === PredictForm.BATCH, 0);
  }

  private async chunks(
    form: PredictForm,
    asked: readonly Asked<State>[],
    max: number,
  ): Promise<ModelBody> {
    const chunks: (readonly Value[])[] = [];
    for (const one of asked) {
      const episode = await this.observe(one);
      const { prefix, committed } = one;
      const request = { prefix, committed, ...(max > 0 && { maxLength: max }) };
      const chunk = await this.own.call("predictChunk", () => {
        return this.model.predictChunk?.(one.observation, episode, request) ?? [];
      });
      chunks.push(chunk);
    }
    // Chunks have one length, and at most the wanted one (P-10).
    const length = Math.min(...chunks.map((chunk) => chunk.length), ...(max > 0 ? [max] : []));
    if (length < 1) {
      const message = "expected at least one action from predictChunk(), got none";
      throw new Refusal({ code: ErrorCode.INVALID_RESULT, message, path: "actions" });
    }
    asked.forEach(({ lane, step }) => (lane.next = step + length));
    const actions = chunks.flatMap((chunk) => chunk.slice(0, length));
    return this.body(actions, true, form === PredictForm.CHUNK ? actions.length : length);
  }

  /** Hand the model the observations before the one that is predicted for; the episode. */
  private async observe({ lane, step, observed }: Asked<State>): Promise<Episode<State>> {
    for (const [at, observation] of observed.entries()) {
      const before = { ...lane.episode, step: Math.max(step - observed.length + at, 0) };
      await this.own.call("observe", () => this.model.observe?.(observation, before));
    }
    return { ...lane.episode, step };
  }

  private body(actions: readonly Value[], isBatch: boolean, chunkLength: number): ModelBody {
    const message = result(() => {
      return isBatch ? this.actions.writeBatch(actions) : this.actions.write(actions[0] as Value);
    });
    if (this.validation === "strict") {
      for (const action of actions) {
        for (const found of nonconformities(this.contract.actionSpace, action, "actions")) {
          const { path, expected, actual } = found;
          const text = `${path}: expected ${expected}, got ${actual}`;
          throw new Refusal({ code: ErrorCode.INVALID_RESULT, message: text, path, expected, actual });
        }
      }
    }
    return { case: "predict", value: { actions: message, chunkLength } };
  }
}

/** The values of a batch of as many as the counts have together, in parts of these counts. */
function splitBatch(
  codec: SpaceCodec,
  message: values.Value,
  counts: readonly number[],
  path: string,
): Value[][] {
  const sum = counts.reduce((all, count) => all + count, 0);
  if (message.batchSize !== sum) {
    throw malformed(path, `a batch of ${sum}`, `batch_size ${message.batchSize}`);
  }
  const all = codec.decodeBatch(message.slabs, sum);
  let at = 0;
  return counts.map((count) => all.slice(at, (at += count)));
}
