/** The client's part of a session, without input or output: frames out, frames in (§4 to §6). */

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { SPEC_DIGEST, SPEC_VERSION } from "@rlmesh/proto";
import { EnvService } from "@rlmesh/proto/env/v1/env_pb";
import type { SessionRequest, SessionResponse } from "@rlmesh/proto/env/v1/env_pb";
import { ErrorCode, type Failure, FailureSchema } from "@rlmesh/proto/session/v1/error_pb";
import { FramesHelloSchema } from "@rlmesh/proto/session/v1/frames_pb";
import { Capability, type PeerInfo } from "@rlmesh/proto/session/v1/handshake_pb";

import { type EnvContract, readContract } from "./contract.js";
import { limitExceeded, malformed } from "./errors.js";
import { SessionRequestSchema, SessionResponseSchema } from "./exact.js";
import { platform } from "./platform.js";
import { errorOf, ProtocolError, SessionLostError, UnsupportedVersionError } from "./remote_errors.js";
import { talksTo } from "./versions.js";

type Requests = NonNullable<MessageInitShape<typeof SessionRequestSchema>["request"]>;
/** The body of a request: the member of the oneof, and its message. */
export type RequestBody = Extract<Requests, { case: string }>;
/** The name of a request, which is that of its answer. */
export type RequestName = Exclude<NonNullable<SessionRequest["request"]["case"]>, "open">;
type Responses = Extract<SessionResponse["response"], { case: string }>;
type Answers = { [Response in Responses as Response["case"]]: Response["value"] };
/** The answer to a request. */
export type Answer<Name extends RequestName> = Answers[Name];

/** What a client says of itself. */
export interface ClientOptions {
  /** The bearer token; empty: none. */
  readonly token: string;
  /** The client's name, which other clients see if this one holds the environment. */
  readonly name: string;
  /** Seconds to wait in the server's queue for a free environment. */
  readonly wait: number;
  /** Whether the server may send reports of progress. */
  readonly progress: boolean;
}

/** The first message of a connection (B-16). */
export function helloFrame(token: string): Uint8Array {
  const init = { service: EnvService.typeName, token };
  return toBinary(FramesHelloSchema, create(FramesHelloSchema, init));
}

/** The first request of a connection that asks for a description alone (B-15). */
export function describeFrame(name: string): Uint8Array {
  const client = peerOf(name, []);
  return encode(0n, { case: "describe", value: { client } });
}

/** A session with one environment, over one connection after another. */
export class ClientSession {
  private id = "";
  private key: Uint8Array = new Uint8Array();
  private sequence = 0n;
  private outstanding: Uint8Array | undefined;
  private wasSent = false;
  private contractRead: EnvContract | undefined;
  private peer: PeerInfo | undefined;
  private maxMessageBytes = 0n;
  /** How long the server keeps the session after a loss, in milliseconds; 0: it cannot be resumed. */
  gracePeriodMs = 0;

  /** @param address The server's address, for errors. */
  constructor(
    private readonly address: string,
    private readonly options: ClientOptions,
  ) {}

  /** The contract, once the session is open. */
  get contract(): EnvContract {
    if (this.contractRead === undefined) {
      throw new TypeError("the session is not open");
    }
    return this.contractRead;
  }

  /** Whether a server has opened the session. */
  get isOpen(): boolean {
    return this.id !== "";
  }

  /** Whether a lost connection can be followed by another one. */
  get isResumable(): boolean {
    return this.key.length > 0;
  }

  /** Whether a client of this server may use a feature (H-9). */
  can(capability: Capability): boolean {
    return this.peer?.capabilities.includes(capability) ?? false;
  }

  /** `open`, which resumes the session if there is one. */
  open(): Uint8Array {
    const capabilities = [Capability.RESUME];
    if (this.options.progress) {
      capabilities.push(Capability.PROGRESS);
    }
    const client = peerOf(this.options.name, capabilities);
    const waitMs = this.isOpen ? 0 : Math.round(1000 * this.options.wait);
    const value = this.isOpen ? { client, resume: this.resume() } : { client, waitMs };
    return encode(0n, { case: "open", value });
  }

  private resume() {
    const awaitedSequence = this.outstanding === undefined ? this.sequence + 1n : this.sequence;
    return { sessionId: this.id, resumeKey: this.key, awaitedSequence };
  }

  /**
   * Read the answer to `open`.
   *
   * @throws RLMeshError if the server refuses, or if its contract breaks a rule (H-5, H-11).
   */
  opened(frame: Uint8Array): void {
    const { sequence, response } = parseResponse(frame);
    if (response.case === "error") {
      throw errorOf(response.value, this.address);
    }
    if (response.case !== "open" || sequence !== 0n) {
      throw this.fault(`expected an answer to open, got ${response.case} of request ${sequence}`);
    }
    const { server, sessionId, resumeKey, contract, terms, receivedSequence } = response.value;
    if (server === undefined || terms === undefined || sessionId === "") {
      throw this.fault("expected the server, its terms and a session id in the answer to open");
    }
    if (!talksTo(server.specVersion)) {
      throw this.otherVersion(server.specVersion);
    }
    if (this.isOpen) {
      this.checkReceived(receivedSequence);
    } else if (contract === undefined) {
      throw this.fault("expected a contract in the answer to open");
    } else {
      this.id = sessionId;
      this.contractRead = readContract(contract);
    }
    this.peer = server;
    this.key = resumeKey.slice();
    this.gracePeriodMs = terms.gracePeriodMs;
    this.maxMessageBytes = terms.maxMessageBytes;
  }

  /** A server that has received what was never sent has another client's session. */
  private checkReceived(received: bigint): void {
    const sent = this.outstanding === undefined || this.wasSent ? this.sequence : this.sequence - 1n;
    if (received > sent) {
      throw this.fault(`expected at most request ${sent} to be received, got ${received}`);
    }
  }

  private otherVersion(version: string): UnsupportedVersionError {
    const message = `the server speaks spec ${JSON.stringify(version)}, this client ${SPEC_VERSION}`;
    const init = { code: ErrorCode.UNSUPPORTED_VERSION, message, sessionClosed: true };
    return new UnsupportedVersionError(create(FailureSchema, { ...init, choices: [version] }));
  }

  /**
   * The frame of the next request, which is outstanding from now on.
   *
   * @throws CodecError if the server does not take a message of that size (M-3).
   */
  request(body: RequestBody): Uint8Array {
    const frame = encode(this.sequence + 1n, body);
    if (this.maxMessageBytes !== 0n && frame.length > this.maxMessageBytes) {
      throw limitExceeded("", `at most ${this.maxMessageBytes} bytes`, String(frame.length));
    }
    this.sequence++;
    this.outstanding = frame;
    this.wasSent = false;
    return frame;
  }

  /** The request that has no answer yet, to be sent; it is the same every time. */
  get unanswered(): Uint8Array | undefined {
    this.wasSent ||= this.outstanding !== undefined;
    return this.outstanding;
  }

  /**
   * The answer to the outstanding request, or undefined if it is still to come.
   *
   * @param report What receives reports of progress (N-17).
   * @throws RLMeshError if the answer is an error, or that to another request.
   */
  answer<Name extends RequestName>(
    name: Name,
    { sequence, response }: SessionResponse,
    report: (fraction: number | undefined, message: string) => void,
  ): Answer<Name> | undefined {
    if (sequence !== this.sequence) {
      throw this.fault(`expected the answer to request ${this.sequence}, got that to ${sequence}`);
    }
    if (response.case === "progress") {
      const { fraction = NaN, message } = response.value;
      report(fraction >= 0 && fraction <= 1 ? fraction : undefined, message.slice(0, 256));
      return undefined;
    }
    this.outstanding = undefined;
    if (response.case === "error") {
      throw errorOf(response.value, this.address);
    }
    if (response.case !== name) {
      throw this.fault(`expected an answer to ${name}, got ${response.case}`);
    }
    return response.value as Answer<Name>;
  }

  private fault(message: string): ProtocolError {
    const init = { code: ErrorCode.INTERNAL, message, sessionClosed: true };
    return new ProtocolError(create(FailureSchema, init));
  }

  /** The error of a session that a server no longer has. */
  lost(reason: string): SessionLostError {
    return new SessionLostError(`the session at ${this.address} is lost: ${reason}`, this.address);
  }
}

/** The connection error that an answer is, after which the session may be resumed. */
export function connectionError({ sequence, response }: SessionResponse): Failure | undefined {
  return sequence === 0n && response.case === "error" ? response.value : undefined;
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

function encode(sequence: bigint, request: RequestBody): Uint8Array {
  return toBinary(SessionRequestSchema, create(SessionRequestSchema, { sequence, request }));
}

function peerOf(name: string, capabilities: Capability[]) {
  const software = { ...platform().software };
  const implementation = "rlmesh-typescript";
  const versions = { specVersion: SPEC_VERSION, specDigest: SPEC_DIGEST };
  return { ...versions, implementation, capabilities, name, software };
}
