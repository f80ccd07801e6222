/** The server's part of sessions, without sockets: frames in, frames out (§4 to §7). */

import { createHash, randomBytes, timingSafeEqual } from "node:crypto";

import { fromBinary } from "@bufbuild/protobuf";
import { SPEC_DIGEST, SPEC_VERSION } from "@rlmesh/proto";
import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";
import { FramesHelloSchema } from "@rlmesh/proto/session/v1/frames_pb";
import * as handshake from "@rlmesh/proto/session/v1/handshake_pb";

import { MAX_MESSAGE_BYTES } from "./connection.js";
import { MAX_HELLO_BYTES } from "./frames.js";
import { KeptSession } from "./kept_session.js";
import { type FailureInit, failureOf } from "./refusals.js";
import type { Member, Offer, Report, Service, SessionOptions, SessionRequests } from "./service.js";
import { talksTo } from "./versions.js";

const { Capability } = handshake;
/** Shortest time between two reports of progress, in milliseconds (N-17). */
const REPORT_MS = 100;

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
  session: KeptSession | undefined;

  constructor(readonly peer: Peer) {}
}

/** What a server of this package is, whatever it serves. */
export interface Receiver {
  /** Handle one message of a connection over frames alone. */
  receive(connection: ServerConnection, frame: Uint8Array): Promise<void>;
  /** Note that a connection is lost. */
  lost(connection: ServerConnection): void;
  /** Refuse a first message that is too long to be read. */
  refuseLength(connection: ServerConnection, message: string): void;
  /** Close every session. */
  stop(): Promise<void>;
}

/** The sessions of one service. */
export class Sessions<Request extends Member, Body> implements Receiver {
  private readonly server: Offer["server"];
  private readonly sessions = new Map<string, KeptSession>();
  private readonly requests = new WeakMap<KeptSession, SessionRequests<Request, Body>>();
  private stopping = false;

  constructor(
    private readonly service: Service<Request, Body>,
    private readonly options: SessionOptions,
  ) {
    const capabilities = [...service.capabilities];
    if (options.gracePeriodMs > 0) {
      capabilities.push(Capability.RESUME);
    }
    const versions = { specVersion: SPEC_VERSION, specDigest: SPEC_DIGEST };
    const software = { node: process.versions.node };
    this.server = { ...versions, implementation: "rlmesh-typescript", capabilities, software };
  }

  async receive(connection: ServerConnection, frame: Uint8Array): Promise<void> {
    if (connection.ended) {
      return;
    }
    if (!connection.greeted) {
      this.greet(connection, frame);
      return;
    }
    let message: ReturnType<Service<Request, Body>["parse"]>;
    try {
      message = this.service.parse(frame);
    } catch (error) {
      const text = `expected a SessionRequest of ${this.service.name}: ${String(error)}`;
      this.refuse(connection, 0n, { code: ErrorCode.MALFORMED, message: text });
      return;
    }
    if (connection.opened) {
      await this.next(connection, message.sequence, message.request);
    } else {
      this.first(connection, message.sequence, message.request);
    }
  }

  /** Admit a client, or refuse it (B-16). */
  private greet(connection: ServerConnection, frame: Uint8Array): void {
    const hello = parseHello(frame);
    const { name } = this.service;
    if (hello === undefined) {
      const message = `expected a FramesHello of at most ${MAX_HELLO_BYTES} bytes with a service`;
      this.refuse(connection, 0n, { code: ErrorCode.MALFORMED, message });
    } else if (this.options.token !== "" && !equal(hello.token, this.options.token)) {
      const message = "expected the server's token: pass `token`";
      this.refuse(connection, 0n, { code: ErrorCode.UNAUTHENTICATED, message });
    } else if (hello.service !== name) {
      const failure = { message: `the server serves ${name} alone`, path: "service", choices: [name] };
      this.refuse(connection, 0n, { code: ErrorCode.UNSUPPORTED, ...failure });
    } else {
      connection.greeted = true;
    }
  }

  /** Answer the first request of a connection (H-2, H-3). */
  private first(connection: ServerConnection, sequence: bigint, request: Request): void {
    if (request.case === "describe") {
      const offer = { server: this.server, terms: this.terms(this.options.gracePeriodMs > 0) };
      connection.peer.send(this.service.write(sequence, this.service.described(offer), 0n));
      finish(connection);
      return;
    }
    const open = this.service.headerOf(request);
    const refusal = open === undefined ? NO_OPEN : this.refusalOf(sequence, open.header);
    if (refusal !== undefined) {
      this.refuse(connection, sequence, refusal);
      return;
    }
    try {
      this.open(connection, request, open?.header as handshake.OpenHeader);
    } catch (error) {
      this.refuse(connection, sequence, failureOf(error));
    }
  }

  /** What speaks against an `open`, in the order of H-3. */
  private refusalOf(
    sequence: bigint,
    header: handshake.OpenHeader | undefined,
  ): FailureInit | undefined {
    if (sequence !== 0n) {
      return { code: ErrorCode.MALFORMED, message: "expected open with sequence 0" };
    }
    const client = header?.client;
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
    return header?.resume && this.refusalOfResume(header.resume);
  }

  private refusalOfResume({ sessionId, resumeKey, awaitedSequence }: handshake.Resume) {
    const session = this.sessions.get(sessionId);
    // The key is compared also if there is no such session.
    const has = equal(resumeKey, session?.key ?? randomBytes(16));
    if (!has || session === undefined || session.key.length === 0) {
      return { code: ErrorCode.UNKNOWN_SESSION, message: "there is no such session" };
    }
    const { last } = session;
    if (awaitedSequence < 1n || (awaitedSequence !== last && awaitedSequence !== last + 1n)) {
      const message = `expected to await request ${last} or the next one, got ${awaitedSequence}`;
      return { code: ErrorCode.OUT_OF_SEQUENCE, message };
    }
    return undefined;
  }

  /** Open or resume a session; throws what a new one is refused for. */
  private open(
    connection: ServerConnection,
    request: Request,
    { client, resume }: handshake.OpenHeader,
  ): void {
    const resumes = client?.capabilities.includes(Capability.RESUME) ?? false;
    const found = resume && this.sessions.get(resume.sessionId);
    const session = found ?? this.begin(request, client?.name ?? "", resumes);
    session.reports = client?.capabilities.includes(Capability.PROGRESS) ?? false;
    clearTimeout(session.grace);
    const older = session.connection;
    session.connection = connection;
    connection.session = session;
    connection.opened = true;
    if (older !== undefined) {
      older.ended = true;
      older.peer.end(true);
    }
    const header = {
      server: this.server,
      sessionId: session.id,
      resumeKey: session.key,
      terms: this.terms(session.key.length > 0),
      receivedSequence: session.last,
    };
    const body = this.service.opened(header, found === undefined);
    connection.peer.send(this.service.write(0n, body, 0n));
  }

  private begin(request: Request, client: string, resumes: boolean): KeptSession {
    const requests = this.service.begin(request);
    if (this.sessions.size >= this.service.maxSessions) {
      throw [...this.sessions.values()].at(-1)?.busy();
    }
    const secrets = this.options.secrets ?? SECRETS;
    const key = resumes && this.options.gracePeriodMs > 0 ? secrets.key() : new Uint8Array();
    const session = new KeptSession(client, secrets.id(), key);
    this.requests.set(session, requests);
    this.sessions.set(session.id, session);
    return session;
  }

  private terms(resumes: boolean): Offer["terms"] {
    const gracePeriodMs = resumes ? this.options.gracePeriodMs : 0;
    return { gracePeriodMs, maxMessageBytes: BigInt(MAX_MESSAGE_BYTES) };
  }

  /** Answer a numbered request. */
  private async next(connection: ServerConnection, sequence: bigint, request: Request): Promise<void> {
    const { session } = connection;
    if (session?.connection !== connection) {
      return;
    }
    if (sequence === session.last && sequence >= 1n) {
      await session.running;
      this.deliver(connection, session);
      return;
    }
    if (sequence !== session.last + 1n) {
      const text = `expected request ${session.last + 1n}, got ${sequence}`;
      const body = this.service.failure({ code: ErrorCode.OUT_OF_SEQUENCE, message: text });
      connection.peer.send(this.service.write(sequence, body, 0n));
      return;
    }
    session.last = sequence;
    session.running = this.handle(connection, session, request);
    await session.running;
    this.deliver(connection, session);
  }

  private async handle(
    connection: ServerConnection,
    session: KeptSession,
    request: Request,
  ): Promise<void> {
    const { last } = session;
    session.isRunning = true;
    const report: Report = (message, fraction) => {
      const now = performance.now();
      if (!session.isRunning || !session.reports || now - session.reportedAt < REPORT_MS) {
        return;
      }
      session.reportedAt = now;
      const body = this.service.progress(message, fraction);
      if (session.connection === connection && body !== undefined) {
        connection.peer.send(this.service.write(last, body, 0n));
      }
    };
    const requests = this.requests.get(session) as SessionRequests<Request, Body>;
    const answer = await requests.answer(request, report);
    session.kept = this.sendable(last, answer.response, answer.callUs);
    session.isClosed = request.case === "close";
    session.isRunning = false;
    if (session.isExpired) {
      this.forget(session);
    }
  }

  /** Send the kept answer on a connection, if it is still that of the session. */
  private deliver(connection: ServerConnection, session: KeptSession): void {
    if (session.connection !== connection) {
      return;
    }
    connection.peer.send(session.kept);
    if (session.isClosed) {
      this.forget(session);
      finish(connection);
    }
  }

  lost(connection: ServerConnection): void {
    connection.ended = true;
    const { session } = connection;
    if (session?.connection !== connection) {
      return;
    }
    session.connection = undefined;
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
    session.connection = undefined;
    if (this.sessions.get(session.id) === session) {
      this.sessions.delete(session.id);
    }
  }

  /** Close every session: calls that run end, and are answered first (K-9, K-10). */
  async stop(): Promise<void> {
    this.stopping = true;
    const all = [...this.sessions.values()];
    await Promise.all(all.map(({ running }) => running));
    for (const session of all) {
      const { connection } = session;
      this.forget(session);
      if (connection !== undefined) {
        this.refuse(connection, 0n, SHUTTING_DOWN);
      }
    }
  }

  refuseLength(connection: ServerConnection, message: string): void {
    this.refuse(connection, 0n, { code: ErrorCode.MALFORMED, message });
  }

  /** An answer that can be sent; else the error that is sent instead (M-3). */
  private sendable(sequence: bigint, body: Body, callUs: bigint): Uint8Array {
    let failure: FailureInit;
    try {
      const frame = this.service.write(sequence, body, callUs);
      if (frame.length <= MAX_MESSAGE_BYTES) {
        return frame;
      }
      const message = `the answer has ${frame.length} bytes, at most ${MAX_MESSAGE_BYTES} can be sent`;
      failure = { code: ErrorCode.LIMIT_EXCEEDED, message };
    } catch (error) {
      // A writer in JavaScript may return rewards that are no numbers.
      const message = `the answer cannot be sent: ${String(error)}`;
      failure = { code: ErrorCode.INVALID_RESULT, message };
    }
    return this.service.write(sequence, this.service.failure(failure), callUs);
  }

  /** Send an error after which the connection ends. */
  private refuse(connection: ServerConnection, sequence: bigint, failure: FailureInit): void {
    const body = this.service.failure({ ...failure, sessionClosed: true });
    connection.peer.send(this.service.write(sequence, body, 0n));
    finish(connection);
  }
}

const NO_OPEN: FailureInit = { code: ErrorCode.WRONG_STATE, message: "expected open as the first request" };
const SHUTTING_DOWN: FailureInit = {
  code: ErrorCode.SHUTTING_DOWN,
  message: "the server is shutting down",
};

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

function finish(connection: ServerConnection): void {
  connection.ended = true;
  connection.peer.end(false);
}
