/** `EnvSessions`: one environment as a service, for one session after another. */

import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { EnvService as Described, type SessionRequest } from "@rlmesh/proto/env/v1/env_pb";
import { Capability } from "@rlmesh/proto/session/v1/handshake_pb";

import type { Validation } from "./conformance.js";
import { contractOf, readContract, writeContract } from "./contract.js";
import type { Env } from "./env.js";
import { EnvRequests, type ResponseBody } from "./env_requests.js";
import { SessionRequestSchema, SessionResponseSchema } from "./exact.js";
import type { FailureInit } from "./refusals.js";
import { Sessions } from "./server_session.js";
import type { Offer, OpenedInit, Service, SessionOptions } from "./service.js";

type Request = SessionRequest["request"];

/** Options of the sessions with an environment. */
export interface EnvSessionOptions extends SessionOptions {
  readonly validation: Validation;
  /** Names of the environment that clients may reach. */
  readonly exposed: readonly string[];
}

/** The sessions of one environment. */
export class EnvSessions extends Sessions<Request, ResponseBody> {
  /** @throws CodecError if the environment's contract breaks a rule. */
  constructor(env: Env, options: EnvSessionOptions) {
    super(new EnvService(env, options), options);
  }
}

class EnvService implements Service<Request, ResponseBody> {
  readonly name = Described.typeName;
  readonly maxSessions = 1;
  readonly capabilities: readonly Capability[];
  private readonly requests: EnvRequests;
  private readonly contract: ReturnType<typeof writeContract>;

  constructor(env: Env, { exposed, validation }: EnvSessionOptions) {
    const contract = contractOf(env, exposed);
    this.contract = writeContract(contract);
    readContract(this.contract);
    this.capabilities = capabilitiesOf(env, exposed);
    this.requests = new EnvRequests(env, contract, validation, this.capabilities);
  }

  parse(frame: Uint8Array): SessionRequest {
    return fromBinary(SessionRequestSchema, frame);
  }

  write(sequence: bigint, response: ResponseBody, callUs: bigint): Uint8Array {
    const message = create(SessionResponseSchema, { sequence, callUs, response });
    return toBinary(SessionResponseSchema, message);
  }

  headerOf(request: Request) {
    return request.case === "open" ? { header: request.value } : undefined;
  }

  begin(): EnvRequests {
    return this.requests;
  }

  failure(value: FailureInit): ResponseBody {
    return { case: "error", value };
  }

  progress(message: string, fraction: number | undefined): ResponseBody {
    return { case: "progress", value: { message, ...(fraction !== undefined && { fraction }) } };
  }

  opened(header: OpenedInit, isNew: boolean): ResponseBody {
    if (isNew) {
      this.requests.begin();
    }
    return { case: "open", value: { header, ...(isNew && { contract: this.contract }) } };
  }

  described(value: Offer): ResponseBody {
    return { case: "describe", value: { ...value, contract: this.contract } };
  }
}

function capabilitiesOf(env: Env, exposed: readonly string[]): Capability[] {
  const found = [Capability.STEP_MANY, Capability.PROGRESS];
  if (exposed.length > 0) {
    found.push(Capability.ATTRIBUTES);
  }
  if (env.render !== undefined && env.renderMode !== undefined) {
    found.push(Capability.RENDER);
  }
  return found;
}
