/** `ModelSessions`: one model as a service, for any number of sessions. */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import * as proto from "@rlmesh/proto/model/v1/model_pb";
import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";
import { Capability } from "@rlmesh/proto/session/v1/handshake_pb";
import { type Space as SpaceMessage, SpaceSchema } from "@rlmesh/proto/spaces/v1/space_pb";

import type { Validation } from "./conformance.js";
import { readContract } from "./contract.js";
import { malformed } from "./errors.js";
import { ModelRequestSchema, ModelResponseSchema } from "./exact.js";
import type { Model } from "./model.js";
import { ModelRequests } from "./model_requests.js";
import { writeSpec } from "./model_spec.js";
import { type FailureInit, Refusal } from "./refusals.js";
import { Sessions } from "./server_session.js";
import type { Offer, OpenedInit, Service, SessionOptions } from "./service.js";
import { writeSpace } from "./space_writer.js";
import type { Space } from "./spaces.js";
import { talksTo } from "./versions.js";

type Request = proto.SessionRequest["request"];
type Responses = NonNullable<MessageInitShape<typeof ModelResponseSchema>["response"]>;
/** The body of a model's answer. */
export type ModelBody = Extract<Responses, { case: string }>;

/** Options of the sessions with a model. */
export interface ModelSessionOptions extends SessionOptions {
  readonly validation: Validation;
}

/** The sessions of one model. */
export class ModelSessions<State> extends Sessions<Request, ModelBody> {
  /** @throws CodecError if a space of the model breaks a rule. */
  constructor(model: Model<State>, options: ModelSessionOptions) {
    super(new ModelService(model, options.validation), options);
  }
}

class ModelService<State> implements Service<Request, ModelBody> {
  readonly name = proto.ModelService.typeName;
  readonly maxSessions = Infinity;
  readonly capabilities: readonly Capability[];
  private readonly spec: ReturnType<typeof writeSpec>;

  constructor(
    private readonly model: Model<State>,
    private readonly validation: Validation,
  ) {
    this.spec = writeSpec(model as Model);
    const chunks = model.predictChunk === undefined ? [] : [Capability.ACTION_PREFIX];
    const observes = model.observe === undefined ? [] : [Capability.OBSERVE];
    this.capabilities = [Capability.BATCH, Capability.EPISODE_STEPS, ...observes, ...chunks];
  }

  parse(frame: Uint8Array): proto.SessionRequest {
    return fromBinary(ModelRequestSchema, frame);
  }

  write(sequence: bigint, response: ModelBody, callUs: bigint): Uint8Array {
    const message = create(ModelResponseSchema, { sequence, callUs, response });
    return toBinary(ModelResponseSchema, message);
  }

  headerOf(request: Request) {
    return request.case === "open" ? { header: request.value.header } : undefined;
  }

  /** Configure the route from an environment to the model (P-3). */
  begin(request: Request): ModelRequests<State> {
    const message = request.case === "open" ? request.value.contract : undefined;
    if (message === undefined) {
      throw malformed("contract", "the contract of an environment in open", "none");
    }
    if (message.specVersion !== "" && !talksTo(message.specVersion)) {
      const text = `the contract was written with spec ${JSON.stringify(message.specVersion.slice(0, 80))}`;
      throw new Refusal({ code: ErrorCode.UNSUPPORTED_VERSION, message: text, path: "contract" });
    }
    const contract = readContract(message);
    this.checkSpace(this.model.observationSpace, contract.observationSpace, "observation_space");
    this.checkSpace(this.model.actionSpace, contract.actionSpace, "action_space");
    return new ModelRequests(this.model, contract, this.validation, this.spec.predictForms);
  }

  private checkSpace(own: Space | undefined, theirs: Space, path: string): void {
    if (own !== undefined && !equalSpaces(writeSpace(own, path), writeSpace(theirs, path))) {
      const message = `${path}: expected the ${own.family} that the model was built for, got another space`;
      throw new Refusal({ code: ErrorCode.UNSUPPORTED, message, path });
    }
  }

  failure(value: FailureInit): ModelBody {
    return { case: "error", value };
  }

  progress(): undefined {
    return undefined;
  }

  opened(header: OpenedInit, isNew: boolean): ModelBody {
    return { case: "open", value: { header, ...(isNew && { spec: this.spec }) } };
  }

  described(value: Offer): ModelBody {
    return { case: "describe", value: { ...value, spec: this.spec } };
  }
}

/** Whether two spaces are the same: what is written is canonical. */
function equalSpaces(one: SpaceMessage, other: SpaceMessage): boolean {
  const [first, second] = [one, other].map((space) => toBinary(SpaceSchema, space));
  return Buffer.compare(first as Uint8Array, second as Uint8Array) === 0;
}
