/** The client's part of a session, without input or output: frames out, frames in (§4 to §6). */

import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { SPEC_DIGEST, SPEC_VERSION } from "@rlmesh/proto";
import { ErrorCode, type Failure, FailureSchema } from "@rlmesh/proto/session/v1/error_pb";
import { Capability, type OpenHeaderSchema } from "@rlmesh/proto/session/v1/handshake_pb";
import type { OpenedHeader, PeerInfo } from "@rlmesh/proto/session/v1/handshake_pb";

import { limitExceeded } from "./errors.js";
import { platform } from "./platform.js";
import { errorOf, ProtocolError, type RemoteError, SessionLostError } from "./remote_errors.js";
import { UnsupportedVersionError } from "./remote_errors.js";
import { talksTo } from "./versions.js";

/** The header of an `open`. */
export type HeaderInit = MessageInitShape<typeof OpenHeaderSchema>;

/** An answer of a service. */
export interface Answered<Described> {
  readonly sequence: bigint;
  /** The request that it answers; undefined: one of a newer spec. */
  readonly name: string | undefined;
  readonly value: unknown;
  readonly failure?: Failure | undefined;
  readonly progress?: { readonly fraction?: number | undefined; readonly message: string } | undefined;
  /** The answer to `open`, whose header may be missing. */
  readonly opened?: { readonly header?: OpenedHeader | undefined } | undefined;
  /** Reads the description in the answer to `open`; absent: there is none. */
  readonly describe?: (() => Described) | undefined;
}

/** A service as its clients see it: its messages. */
export interface ClientService<Request, Described> {
  /** Full name of the service. */
  readonly name: string;
  /** What an answer to `open` has a new session's description of. */
  readonly describes: string;
  readonly close: Request;
  /** What is raised for a fault of what is served. */
  readonly error: new (failure: Failure) => RemoteError;
  open(header: HeaderInit, isNew: boolean): Request;
  write(sequence: bigint, request: Request): Uint8Array;
  /** The message of a frame; throws if it is none. */
  parse(frame: Uint8Array): Answered<Described>;
}

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

/** A session with one service, over one connection after another. */
export class ClientSession<Request, Described> {
  private id = "";
  private key: Uint8Array = new Uint8Array();
  private sequence = 0n;
  private outstanding: Uint8Array | undefined;
  private wasSent = false;
  private read: Described | undefined;
  private peer: PeerInfo | undefined;
  private maxMessageBytes = 0n;
  /** How long the server keeps the session after a loss, in milliseconds; 0: it cannot be resumed. */
  gracePeriodMs = 0;

  /** @param address The server's address, for errors. */
  constructor(
    private readonly address: string,
    private readonly options: ClientOptions,
    private readonly service: ClientService<Request, Described>,
  ) {}

  /** What is served, once the session is open. */
  get described(): Described {
    if (this.read === undefined) {
      throw new TypeError("the session is not open");
    }
    return this.read;
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
    const header = this.isOpen ? { client, resume: this.resume() } : { client, waitMs };
    return this.service.write(0n, this.service.open(header, !this.isOpen));
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
    const { sequence, name, failure, opened, describe } = this.service.parse(frame);
    if (failure !== undefined) {
      throw errorOf(failure, this.address, this.service.error);
    }
    if (opened === undefined || sequence !== 0n) {
      throw this.fault(`expected an answer to open, got ${name} of request ${sequence}`);
    }
    const { header } = opened;
    const { server, sessionId, terms } = header ?? {};
    if (header === undefined || server === undefined || terms === undefined || !sessionId) {
      throw this.fault("expected the server, its terms and a session id in the answer to open");
    }
    if (!talksTo(server.specVersion)) {
      throw this.otherVersion(server.specVersion);
    }
    if (this.isOpen) {
      this.checkReceived(header.receivedSequence);
    } else if (describe === undefined) {
      throw this.fault(`expected a ${this.service.describes} in the answer to open`);
    } else {
      this.id = sessionId;
      this.read = describe();
    }
    this.peer = server;
    this.key = header.resumeKey.slice();
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
  request(body: Request): Uint8Array {
    const frame = this.service.write(this.sequence + 1n, body);
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
  answer(
    asked: string,
    { sequence, name, value, failure, progress }: Answered<Described>,
    report: (fraction: number | undefined, message: string) => void,
  ): { readonly value: unknown } | undefined {
    if (sequence !== this.sequence) {
      throw this.fault(`expected the answer to request ${this.sequence}, got that to ${sequence}`);
    }
    if (progress !== undefined) {
      const { fraction = NaN, message } = progress;
      report(fraction >= 0 && fraction <= 1 ? fraction : undefined, message.slice(0, 256));
      return undefined;
    }
    this.outstanding = undefined;
    if (failure !== undefined) {
      throw errorOf(failure, this.address, this.service.error);
    }
    if (name !== asked) {
      throw this.fault(`expected an answer to ${asked}, got ${name}`);
    }
    return { value };
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
export function connectionError({ sequence, failure }: Answered<unknown>): Failure | undefined {
  return sequence === 0n ? failure : undefined;
}

/** What this package says of itself as a client. */
export function peerOf(name: string, capabilities: Capability[]) {
  const software = { ...platform().software };
  const implementation = "rlmesh-typescript";
  const versions = { specVersion: SPEC_VERSION, specDigest: SPEC_DIGEST };
  return { ...versions, implementation, capabilities, name, software };
}
