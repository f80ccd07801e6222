/** `EnvClient`: the requests and answers of environments, for `RemoteClient`. */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { EnvService, type SessionRequest, type SessionResponse } from "@rlmesh/proto/env/v1/env_pb";

import { type Answered, type ClientService, type HeaderInit, peerOf } from "./client_session.js";
import { type EnvContract, readContract } from "./contract.js";
import { malformed } from "./errors.js";
import { SessionRequestSchema, SessionResponseSchema } from "./exact.js";
import { type ConnectOptions, RemoteClient } from "./remote_client.js";
import { EnvError, errorOf } from "./remote_errors.js";

type Requests = NonNullable<MessageInitShape<typeof SessionRequestSchema>["request"]>;
/** The body of a request: the member of the oneof, and its message. */
export type RequestBody = Extract<Requests, { case: string }>;
/** The name of a request, which is that of its answer. */
export type RequestName = Exclude<NonNullable<SessionRequest["request"]["case"]>, "open">;
type Responses = Extract<SessionResponse["response"], { case: string }>;
type Answers = { [Response in Responses as Response["case"]]: Response["value"] };
/** The answer to a request. */
export type Answer<Name extends RequestName> = Answers[Name];

class EnvMessages implements ClientService<RequestBody, EnvContract> {
  readonly name = EnvService.typeName;
  readonly describes = "contract";
  readonly close: RequestBody = { case: "close", value: {} };
  readonly error = EnvError;

  open(value: HeaderInit): RequestBody {
    return { case: "open", value };
  }

  write(sequence: bigint, request: RequestBody): Uint8Array {
    return toBinary(SessionRequestSchema, create(SessionRequestSchema, { sequence, request }));
  }

  parse(frame: Uint8Array): Answered<EnvContract> {
    const { sequence, response } = parseResponse(frame);
    const { case: name, value } = response;
    const contract = response.case === "open" ? response.value.contract : undefined;
    return {
      sequence,
      name,
      value,
      failure: response.case === "error" ? response.value : undefined,
      progress: response.case === "progress" ? response.value : undefined,
      opened: response.case === "open" ? response.value : undefined,
      describe: contract && (() => readContract(contract)),
    };
  }
}

/** The messages of environments. */
export const ENV_MESSAGES: ClientService<RequestBody, EnvContract> = new EnvMessages();

/** A client of an environment. */
export class EnvClient extends RemoteClient<RequestBody, EnvContract> {
  protected constructor(address: string, options: ConnectOptions) {
    super(address, options, ENV_MESSAGES);
  }

  /** The environment's contract. */
  get contract(): EnvContract {
    return this.described;
  }

  /** Send a request once, and return its answer. */
  protected async ask<Name extends RequestName>(
    name: Name,
    body: Extract<RequestBody, { case: Name }>,
  ): Promise<Answer<Name>> {
    return (await this.exchange(name, body)) as Answer<Name>;
  }
}

/** The first request of a connection that asks for a description alone (B-15). */
export function describeFrame(name: string): Uint8Array {
  const client = peerOf(name, []);
  return ENV_MESSAGES.write(0n, { case: "describe", value: { client } });
}

/** The answer to `describe` (H-1). */
export function readDescription(frame: Uint8Array, address: string): EnvContract {
  const { response } = parseResponse(frame);
  if (response.case === "error") {
    throw errorOf(response.value, address);
  }
  if (response.case !== "describe" || response.value.contract === undefined) {
    throw malformed("describe", "a description with a contract", String(response.case));
  }
  return readContract(response.value.contract);
}

/** The message of a frame. */
export function parseResponse(frame: Uint8Array): SessionResponse {
  try {
    return fromBinary(SessionResponseSchema, frame);
  } catch (error) {
    throw malformed("", "a SessionResponse", String(error));
  }
}
