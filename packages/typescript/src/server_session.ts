/** The server's part of sessions, without sockets: frames in, frames out (§4 to §7). */

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

import { create, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf";
import { SPEC_DIGEST, SPEC_VERSION } from "@rlmesh/proto";
import { EnvService, type SessionRequest } from "@rlmesh/proto/env/v1/env_pb";
import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";
import { FramesHelloSchema } from "@rlmesh/proto/session/v1/frames_pb";
import * as handshake from "@rlmesh/proto/session/v1/handshake_pb";

import type { Validation } from "./conformance.js";
import { contractOf, readContract, writeContract } from "./contract.js";
import type { Env } from "./env.js";
import { EnvRequests, type FailureInit, type ResponseBody } from "./env_requests.js";
import { SessionRequestSchema, SessionResponseSchema } from "./exact.js";
import { MAX_MESSAGE_BYTES } from "./connection.js";
import { MAX_HELLO_BYTES } from "./frames.js";
import { KeptSession } from "./kept_session.js";
import { talksTo } from "./versions.js";

const { Capability } = handshake;
/** Shortest time between two reports of progress, in milliseconds (N-17). */
const REPORT_MS = 100;

/** Options of the server's part. */
export interface SessionOptions {
  /** The token that clients must have; empty: none. */
  readonly token: string;
  /** How long a session outlives its connection, in milliseconds; 0: it does not. */
  readonly gracePeriodMs: number;
  readonly validation: Validation;
  /** Names of the environment that clients may reach. */
  readonly exposed: readonly string[];
  /** What makes the id and the resume key of a session. */
  readonly secrets?: { id(): string; key(): Uint8Array };
}

const SECRETS = { id: () => randomBytes(16).toString("hex"), key: () => randomBytes(16) };

/** A client's connection, as sessions see it. */
export interface Peer {
  /** Send a frame. */
  send(frame: Uint8Array): void;
  /** End the connection once what was sent has gone, or at once if nothing may be sent any more. */
  end(atOnce: boolean): void;
}

/** The state of one connection. */
export class ServerConnection {
  greeted = false;
  opened = false;
  ended = false;

  constructor(readonly peer: Peer) {}
}

/** One environment, for one session after another. */
export class EnvSessions {
  private readonly requests: EnvRequests;
  private readonly contract: ReturnType<typeof writeContract>;
  private readonly server: MessageInitShape<typeof handshake.PeerInfoSchema>;
  private current: ServerConnection | undefined;
  private session: KeptSession | undefined;
  private stopping = false;

  /** @throws CodecError if the environment's contract breaks a rule. */
  constructor(
    env: Env,
    private readonly options: SessionOptions,
  ) {
    const contract = contractOf(env, options.exposed);
    this.contract = writeContract(contract);
    readContract(this.contract);
    const capabilities = capabilitiesOf(env, options);
    this.requests = new EnvRequests(env, contract, options.validation, capabilities);
    const versions = { specVersion: SPEC_VERSION, specDigest: SPEC_DIGEST };
    const software = { node: process.versions.node };
    this.server = { ...versions, implementation: "rlmesh-typescript", capabilities, software };
  }

  /** Handle one message of a connection over frames alone. */
  async receive(connection: ServerConnection, frame: Uint8Array): Promise<void> {
    if (connection.ended) {
      return;
    }
    if (!connection.greeted) {
      this.greet(connection, frame);
      return;
    }
    let request: SessionRequest;
    try {
      request = fromBinary(SessionRequestSchema, frame);
    } catch (error) {
      const message = `expected a SessionRequest: ${String(error)}`;
      refuse(connection, 0n, { code: ErrorCode.MALFORMED, message });
      return;
    }
    if (connection.opened) {
      await this.next(connection, request);
    } else {
      this.first(connection, request);
    }
  }

  /** Admit a client, or refuse it (B-16). */
  private greet(connection: ServerConnection, frame: Uint8Array): void {
    const hello = parseHello(frame);
    if (hello === undefined) {
      const message = `expected a FramesHello of at most ${MAX_HELLO_BYTES} bytes with a service`;
      refuse(connection, 0n, { code: ErrorCode.MALFORMED, message });
      return;
    }
    if (this.options.token !== "" && !equal(hello.token, this.options.token)) {
      const message = "expected the server's token: pass `token`";
      refuse(connection, 0n, { code: ErrorCode.UNAUTHENTICATED, message });
      return;
    }
    if (hello.service !== EnvService.typeName) {
      const [path, choices] = ["service", [EnvService.typeName]];
      const message = `the server serves ${EnvService.typeName} alone`;
      refuse(connection, 0n, { code: ErrorCode.UNSUPPORTED, message, path, choices });
      return;
    }
    connection.greeted = true;
  }

  /** Answer the first request of a connection (H-2, H-3). */
  private first(connection: ServerConnection, { sequence, request }: SessionRequest): void {
    if (request.case === "describe") {
      const { server, contract } = this;
      const value = { server, contract, terms: this.terms(this.options.gracePeriodMs > 0) };
      connection.peer.send(response(sequence, { case: "describe", value }));
      finish(connection);
      return;
    }
    const refusal = request.case === "open" ? this.refusalOf(sequence, request.value) : NO_OPEN;
    if (refusal !== undefined) {
      refuse(connection, sequence, refusal);
    } else if (request.case === "open") {
      this.open(connection, request.value);
    }
  }

  /** What speaks against an `open`, in the order of H-3. */
  private refusalOf(sequence: bigint, header: handshake.OpenHeader): FailureInit | undefined {
    const { client, resume } = header;
    if (sequence !== 0n) {
      return { code: ErrorCode.MALFORMED, message: "expected open with sequence 0" };
    }
    if (client === undefined) {
      return { code: ErrorCode.MALFORMED, message: "expected a client in open", path: "client" };
    }
    if (!talksTo(client.specVersion)) {
      const code = ErrorCode.UNSUPPORTED_VERSION;
      const theirs = JSON.stringify(client.specVersion.slice(0, 80));
      const message = `the server speaks spec ${SPEC_VERSION}, the client ${theirs}`;
      return { code, message, choices: [SPEC_VERSION] };
    }
    if (this.stopping) {
      return SHUTTING_DOWN;
    }
    return resume === undefined ? this.session?.busy() : this.refusalOfResume(resume);
  }

  private refusalOfResume({ sessionId, resumeKey, awaitedSequence }: handshake.Resume) {
    const { session } = this;
    // The key is compared also if the id is not that of the session.
    const has = equal(resumeKey, session?.key ?? randomBytes(16));
    if (!has || session === undefined || session.key.length === 0 || sessionId !== session.id) {
      return { code: ErrorCode.UNKNOWN_SESSION, message: "there is no such session" };
    }
    const { last } = session;
    if (awaitedSequence < 1n || (awaitedSequence !== last && awaitedSequence !== last + 1n)) {
      const message = `expected to await request ${last} or the next one, got ${awaitedSequence}`;
      return { code: ErrorCode.OUT_OF_SEQUENCE, message };
    }
    return undefined;
  }

  private open(connection: ServerConnection, header: handshake.OpenHeader): void {
    const { client, resume } = header;
    const isNew = resume === undefined;
    if (isNew) {
      const resumes = client?.capabilities.includes(Capability.RESUME) ?? false;
      const secrets = this.options.secrets ?? SECRETS;
      const key = resumes && this.options.gracePeriodMs > 0 ? secrets.key() : new Uint8Array();
      this.session = new KeptSession(client?.name ?? "", secrets.id(), key);
      this.requests.begin();
    }
    const session = this.session as KeptSession;
    session.reports = client?.capabilities.includes(Capability.PROGRESS) ?? false;
    clearTimeout(session.grace);
    const older = this.current;
    this.current = connection;
    connection.opened = true;
    if (older !== undefined) {
      older.ended = true;
      older.peer.end(true);
    }
    const value = {
      server: this.server,
      sessionId: session.id,
      resumeKey: session.key,
      terms: this.terms(session.key.length > 0),
      receivedSequence: session.last,
      ...(isNew && { contract: this.contract }),
    };
    connection.peer.send(response(0n, { case: "open", value }));
  }

  private terms(resumes: boolean) {
    const gracePeriodMs = resumes ? this.options.gracePeriodMs : 0;
    return { gracePeriodMs, maxMessageBytes: BigInt(MAX_MESSAGE_BYTES) };
  }

  /** Answer a numbered request. */
  private async next(connection: ServerConnection, message: SessionRequest): Promise<void> {
    const { session } = this;
    if (this.current !== connection || session === undefined) {
      return;
    }
    const { sequence } = message;
    if (sequence === session.last && sequence >= 1n) {
      await session.running;
      this.deliver(connection, session);
      return;
    }
    if (sequence !== session.last + 1n) {
      const text = `expected request ${session.last + 1n}, got ${sequence}`;
      const value = { code: ErrorCode.OUT_OF_SEQUENCE, message: text };
      connection.peer.send(response(sequence, { case: "error", value }));
      return;
    }
    session.last = sequence;
    session.running = this.handle(connection, session, message.request);
    await session.running;
    this.deliver(connection, session);
  }

  private async handle(
    connection: ServerConnection,
    session: KeptSession,
    request: SessionRequest["request"],
  ): Promise<void> {
    const { last } = session;
    session.isRunning = true;
    const report = (message: string, fraction?: number) => {
      const now = performance.now();
      if (!session.isRunning || !session.reports || now - session.reportedAt < REPORT_MS) {
        return;
      }
      session.reportedAt = now;
      if (this.current === connection) {
        const value = { message, ...(fraction !== undefined && { fraction }) };
        connection.peer.send(response(last, { case: "progress", value }));
      }
    };
    const answer = await this.requests.answer(request, report);
    session.kept = sendable(last, answer.response, answer.callUs);
    session.isClosed = request.case === "close";
    session.isRunning = false;
    if (session.isExpired) {
      this.forget(session);
    }
  }

  /** Send the kept answer on a connection, if it is still that of the session. */
  private deliver(connection: ServerConnection, session: KeptSession): void {
    if (this.current !== connection || this.session !== session) {
      return;
    }
    connection.peer.send(session.kept);
    if (session.isClosed) {
      this.forget(session);
      finish(connection);
    }
  }

  /** A connection is lost: its session goes on for the grace period. */
  lost(connection: ServerConnection): void {
    connection.ended = true;
    const { session } = this;
    if (this.current !== connection || session === undefined) {
      return;
    }
    this.current = undefined;
    if (session.key.length === 0 || session.last === 0n) {
      this.expire(session);
      return;
    }
    session.grace = setTimeout(() => this.expire(session), this.options.gracePeriodMs).unref();
  }

  private expire(session: KeptSession): void {
    session.isExpired = true;
    if (!session.isRunning) {
      this.forget(session);
    }
  }

  private forget(session: KeptSession): void {
    clearTimeout(session.grace);
    if (this.session === session) {
      this.session = undefined;
      this.current = undefined;
    }
  }

  /** Close every session: a call that runs ends, and is answered first (K-9, K-10). */
  async stop(): Promise<void> {
    this.stopping = true;
    const { session } = this;
    await session?.running;
    const { current } = this;
    if (current !== undefined) {
      refuse(current, 0n, SHUTTING_DOWN);
    }
    if (session !== undefined) {
      this.forget(session);
    }
  }

  /** Refuse a first message that is too long to be read. */
  refuseLength(connection: ServerConnection, message: string): void {
    refuse(connection, 0n, { code: ErrorCode.MALFORMED, message });
  }
}

const NO_OPEN: FailureInit = { code: ErrorCode.WRONG_STATE, message: "expected open as the first request" };
const SHUTTING_DOWN: FailureInit = {
  code: ErrorCode.SHUTTING_DOWN,
  message: "the server is shutting down",
};

function capabilitiesOf(env: Env, { gracePeriodMs, exposed }: SessionOptions): handshake.Capability[] {
  const found = [Capability.STEP_MANY, Capability.PROGRESS];
  if (gracePeriodMs > 0) {
    found.push(Capability.RESUME);
  }
  if (exposed.length > 0) {
    found.push(Capability.ATTRIBUTES);
  }
  if (env.render !== undefined && env.renderMode !== undefined) {
    found.push(Capability.RENDER);
  }
  return found;
}

function parseHello(frame: Uint8Array) {
  try {
    const hello = fromBinary(FramesHelloSchema, frame);
    return frame.length <= MAX_HELLO_BYTES && hello.service !== "" ? hello : undefined;
  } catch {
    return undefined;
  }
}

/** Whether two secrets are equal, in a time that depends on neither (Y-2). */
function equal(one: string | Uint8Array, other: string | Uint8Array): boolean {
  const [first, second] = [one, other].map((x) => createHash("sha256").update(x).digest());
  return timingSafeEqual(first as Buffer, second as Buffer);
}

function response(sequence: bigint, body: ResponseBody, callUs = 0n): Uint8Array {
  const message = create(SessionResponseSchema, { sequence, callUs, response: body });
  return toBinary(SessionResponseSchema, message);
}

/** An answer that can be sent; else the error that is sent instead (M-3). */
function sendable(sequence: bigint, body: ResponseBody, callUs: bigint): Uint8Array {
  let value: FailureInit;
  try {
    const frame = response(sequence, body, callUs);
    if (frame.length <= MAX_MESSAGE_BYTES) {
      return frame;
    }
    const message = `the answer has ${frame.length} bytes, at most ${MAX_MESSAGE_BYTES} can be sent`;
    value = { code: ErrorCode.LIMIT_EXCEEDED, message };
  } catch (error) {
    // A writer in JavaScript may return rewards that are no numbers.
    value = { code: ErrorCode.INVALID_RESULT, message: `the answer cannot be sent: ${String(error)}` };
  }
  return response(sequence, { case: "error", value }, callUs);
}

/** Send an error after which the connection ends. */
function refuse(connection: ServerConnection, sequence: bigint, failure: FailureInit): void {
  const value = { ...failure, sessionClosed: true };
  connection.peer.send(response(sequence, { case: "error", value }));
  finish(connection);
}

function finish(connection: ServerConnection): void {
  connection.ended = true;
  connection.peer.end(false);
}
