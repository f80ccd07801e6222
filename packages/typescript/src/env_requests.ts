/** Requests to an environment: each is checked, applied and answered (§8). */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import type * as proto from "@rlmesh/proto/env/v1/env_pb";
import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";
import { Capability } from "@rlmesh/proto/session/v1/handshake_pb";
import * as values from "@rlmesh/proto/spaces/v1/value_pb";

import { SpaceCodec } from "./codec.js";
import { nonconformities, type Validation } from "./conformance.js";
import type { EnvContract } from "./contract.js";
import { type Dynamic, type DynamicMap, mapOf } from "./dynamic.js";
import { readDynamic, readDynamicList, readDynamicMap } from "./dynamic_reader.js";
import { writeDynamic, writeDynamicMap } from "./dynamic_writer.js";
import type { Env, EnvReset, EnvStep, ResetRequest } from "./env.js";
import { limitExceeded, malformed, unsupported } from "./errors.js";
import type { SessionResponseSchema } from "./exact.js";
import { type FailureInit, failureOf, OwnCalls, Refusal, result } from "./refusals.js";
import type { SessionRequests } from "./service.js";
import type { Value } from "./values.js";

type Responses = NonNullable<MessageInitShape<typeof SessionResponseSchema>["response"]>;
/** The body of an answer. */
export type ResponseBody = Extract<Responses, { case: string }>;
/** Actions of one `step_many` that a server of this package takes (M-1). */
const MAX_STEPS = 65_536;

/** Applies the requests of sessions to one environment, one at a time. */
export class EnvRequests implements SessionRequests<proto.SessionRequest["request"], ResponseBody> {
  private readonly actions: SpaceCodec;
  private readonly batches: SpaceCodec;
  private readonly observations: SpaceCodec;
  private reported = new Set<string>();
  private readonly own = new OwnCalls();

  constructor(
    private readonly env: Env,
    private readonly contract: EnvContract,
    private readonly validation: Validation,
    /** What a client may use. */
    readonly capabilities: readonly Capability[],
  ) {
    this.actions = new SpaceCodec(contract.actionSpace, "action");
    this.batches = new SpaceCodec(contract.actionSpace, "actions");
    this.observations = new SpaceCodec(contract.observationSpace, "observation");
  }

  /** A new session begins: what was reported to the last one is reported again. */
  begin(): void {
    this.reported = new Set();
  }

  /** The answer to a request, and how long the environment's own code took, in microseconds. */
  async answer(
    request: proto.SessionRequest["request"],
    report: ResetRequest["report"],
  ): Promise<{ response: ResponseBody; callUs: bigint }> {
    let response: ResponseBody;
    try {
      response = await this.apply(request, report);
    } catch (error) {
      response = { case: "error", value: failureOf(error) };
    }
    return { response, callUs: this.own.takeMicroseconds() };
  }

  private apply(
    request: proto.SessionRequest["request"],
    report: ResetRequest["report"],
  ): Promise<ResponseBody> | ResponseBody {
    switch (request.case) {
      case "open":
      case "describe":
        throw new Refusal({ code: ErrorCode.WRONG_STATE, message: "the session is open already" });
      case "reset":
        return this.reset(request.value, report);
      case "step":
        return this.step(request.value);
      case "stepMany":
        return this.stepMany(request.value);
      case "close":
        return { case: "close", value: {} };
      case "render":
        return this.need(Capability.RENDER, () => this.render(request.value));
      case "call":
        return this.need(Capability.ATTRIBUTES, () => this.call(request.value));
      case "getAttribute":
        return this.need(Capability.ATTRIBUTES, () => this.getAttribute(request.value));
      case "setAttribute":
        return this.need(Capability.ATTRIBUTES, () => this.setAttribute(request.value));
      default: {
        const message = `the server does not have the request ${request.case ?? "of a newer spec"}`;
        throw new Refusal({ code: ErrorCode.UNSUPPORTED, message });
      }
    }
  }

  private need<Result>(capability: Capability, act: () => Result): Result {
    if (!this.capabilities.includes(capability)) {
      const message = `the environment does not offer ${Capability[capability]}`;
      throw new Refusal({ code: ErrorCode.UNSUPPORTED, message });
    }
    return act();
  }

  private async reset(
    message: proto.ResetRequest,
    report: ResetRequest["report"],
  ): Promise<ResponseBody> {
    if (message.laneMask.length > 0) {
      throw unsupported("lane_mask", "no mask of one environment", `${message.laneMask.length} lanes`);
    }
    if (message.laneSeeds !== undefined) {
      throw malformed("lane_seeds", "one `seed` of one environment", "seeds of lanes");
    }
    const { seed } = message;
    const options = message.options && readDynamicMap(message.options, "options");
    const request = { report, ...(seed !== undefined && { seed }), ...(options && { options }) };
    return { case: "reset", value: this.facts(await this.own.call("reset", () => this.env.reset(request))) };
  }

  private async step({ action }: proto.StepRequest): Promise<ResponseBody> {
    if (action === undefined) {
      throw malformed("action", "an action", "none");
    }
    if (action.batchSize !== undefined) {
      throw new Refusal({ code: ErrorCode.INVALID_VALUE, message: "expected no batch", path: "action" });
    }
    const value = this.actions.decode(action.slabs);
    this.checkAction(value, "action");
    return { case: "step", value: this.outcome(await this.own.call("step", () => this.env.step(value))) };
  }

  private async stepMany(message: proto.StepManyRequest): Promise<ResponseBody> {
    const { actions, count, allObservations } = message;
    if (actions === undefined || count === 0 || actions.batchSize !== count) {
      throw malformed("actions", "a batch of `count` actions, at least 1", `${actions?.batchSize}`);
    }
    if (count > MAX_STEPS) {
      throw limitExceeded("count", `at most ${MAX_STEPS} actions`, String(count));
    }
    const decoded = this.batches.decodeBatch(actions.slabs, count);
    decoded.forEach((action, at) => this.checkAction(action, `actions[${at}]`));
    const steps: ReturnType<EnvRequests["outcome"]>[] = [];
    let error: FailureInit | undefined;
    for (const action of decoded) {
      try {
        steps.push(this.outcome(await this.own.call("step", () => this.env.step(action))));
      } catch (failed) {
        error = failureOf(failed);
        break;
      }
      if (steps.at(-1)?.terminated || steps.at(-1)?.truncated) {
        break;
      }
    }
    if (!allObservations) {
      steps.slice(0, -1).forEach((step) => delete step.observation);
    }
    return { case: "stepMany", value: { steps, ...(error && { error }) } };
  }

  private checkAction(action: Value, path: string): void {
    if (this.validation !== "strict") {
      return;
    }
    for (const { path: at, expected, actual } of nonconformities(this.contract.actionSpace, action, path)) {
      const message = `${at}: expected ${expected}, got ${actual}`;
      throw new Refusal({ code: ErrorCode.INVALID_VALUE, message, path: at, expected, actual });
    }
  }

  private async render({ lanes }: proto.RenderRequest): Promise<ResponseBody> {
    if (lanes.length > 0) {
      throw malformed("lanes", "no lanes of one environment", String(lanes));
    }
    const frame = await this.own.call("render", () => this.env.render?.() ?? { kind: "null" as const });
    return { case: "render", value: { frame: result(() => writeDynamic(frame, "frame")) } };
  }

  /** An exposed member of the environment (N-11). */
  private member(name: string): unknown {
    const { exposed } = this.contract;
    if (!exposed.includes(name)) {
      const message = `expected one of ${exposed.join(", ")}, got ${JSON.stringify(name.slice(0, 80))}`;
      throw new Refusal({ code: ErrorCode.NOT_EXPOSED, message, choices: [...exposed] });
    }
    return Reflect.get(this.env, name);
  }

  private async call({ name, args, kwargs }: proto.CallRequest): Promise<ResponseBody> {
    const member = this.member(name);
    const given = readDynamicList(args, "args");
    const named = readDynamicMap(kwargs, "kwargs");
    if (named.entries.some(([key]) => key.kind !== "string")) {
      throw malformed("kwargs", "keys that are strings", "another key");
    }
    if (typeof member !== "function" && given.length + named.entries.length > 0) {
      throw unsupported("args", `no arguments for ${name}, which is no method`, "arguments");
    }
    const all = named.entries.length > 0 ? [...given, named] : given;
    const found: unknown =
      typeof member === "function"
        ? await this.own.call(name, (): unknown => Reflect.apply(member, this.env, all))
        : member;
    return { case: "call", value: { result: result(() => writeDynamic(dynamicOf(found), "result")) } };
  }

  private getAttribute({ name }: proto.GetAttributeRequest): ResponseBody {
    const member = this.member(name);
    if (typeof member === "function") {
      return { case: "getAttribute", value: { callable: true } };
    }
    const value = result(() => writeDynamic(dynamicOf(member), "value"));
    return { case: "getAttribute", value: { value } };
  }

  private async setAttribute({ name, value }: proto.SetAttributeRequest): Promise<ResponseBody> {
    this.member(name);
    if (value === undefined) {
      throw malformed("value", "a value", "none");
    }
    const read = readDynamic(value, "value");
    await this.own.call("setAttribute", () => Reflect.set(this.env, name, read));
    return { case: "setAttribute", value: {} };
  }

  private outcome(step: EnvStep) {
    const { reward, terminated, truncated } = step;
    const found = [reward, terminated, truncated].map((fact) => typeof fact).join(", ");
    if (found !== "number, boolean, boolean") {
      // A writer in JavaScript may return something else, which protobuf would write as it can.
      const message = `expected a number as reward and two booleans as flags, got ${found}`;
      throw new Refusal({ code: ErrorCode.INVALID_RESULT, message });
    }
    return { ...this.facts(step), reward, terminated, truncated };
  }

  /** The observation and what comes with it; an error of either is the environment's (F-5). */
  private facts({ observation, info = mapOf({}), simTime }: EnvReset): {
    observation?: values.Value;
    info?: values.DynamicMap;
    simTime?: number;
  } {
    const slabs = result(() => this.observations.encode(observation));
    const whole = this.validated(observation, info);
    return {
      observation: create(values.ValueSchema, { slabs }),
      ...(whole.entries.length > 0 && { info: result(() => writeDynamicMap(whole, "info")) }),
      ...(simTime !== undefined && { simTime }),
    };
  }

  /** The info, with reports of what does not conform, once a path and session (F-2, F-4). */
  private validated(observation: Value, info: DynamicMap): DynamicMap {
    if (this.validation === "off") {
      return info;
    }
    const reports: Record<string, Dynamic> = {};
    const { observationSpace } = this.contract;
    for (const { path, expected, actual } of nonconformities(observationSpace, observation, "observation")) {
      const message = `${path}: expected ${expected}, got ${actual}`;
      if (this.validation === "strict") {
        throw new Refusal({ code: ErrorCode.INVALID_RESULT, message, path, expected, actual });
      }
      if (!this.reported.has(path)) {
        this.reported.add(path);
        reports[path] = { kind: "string", value: message };
      }
    }
    if (Object.keys(reports).length === 0) {
      return info;
    }
    const added = mapOf({ "rlmesh.validation": mapOf(reports) });
    return { kind: "map", entries: [...info.entries, ...added.entries] };
  }
}

/** A value of the user's, who may be no writer of TypeScript, as far as it is self-describing. */
function dynamicOf(value: unknown): Dynamic {
  if (typeof value === "object" && value !== null && "kind" in value) {
    return value as Dynamic;
  }
  if (value === undefined || value === null) {
    return { kind: "null" };
  }
  const message = `expected a self-describing value, which has a kind, got ${typeof value}`;
  throw new Refusal({ code: ErrorCode.INVALID_RESULT, message });
}
