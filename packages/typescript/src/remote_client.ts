/** What clients share: one session, carried over lost connections. */

import { ErrorCode, type Failure } from "@rlmesh/proto/session/v1/error_pb";
import type { Capability } from "@rlmesh/proto/session/v1/handshake_pb";

import { type Address, checkToken, isPrivate, parseAddress, type TLSOptions } from "./addresses.js";
import { type Answered, type ClientOptions, type ClientService, ClientSession } from "./client_session.js";
import { connectionError } from "./client_session.js";
import type { Validation } from "./conformance.js";
import type { FrameConnection } from "./connection.js";
import { platform } from "./platform.js";
import { ClosedError, ConcurrentCallError, ConnectionLostError } from "./remote_errors.js";
import { errorOf, SessionLostError, TransportError } from "./remote_errors.js";

/** Options of a client. */
export interface ConnectOptions {
  /** The server's bearer token. */
  readonly token?: string;
  /** Certificates for a `framess://` address. */
  readonly tls?: TLSOptions;
  /** Name that other clients see if this one holds the environment; host and process by default. */
  readonly name?: string;
  /** Seconds to wait in the server's queue if the environment is held; 0 by default. */
  readonly wait?: number;
  /** What is done with actions outside their bounds: "warn" by default. */
  readonly validation?: Validation;
  /** Called with reports of a long call's progress: a fraction of 0 to 1, if it is known. */
  readonly onProgress?: (fraction: number | undefined, message: string) => void;
}

/** A session with one server. One call runs at a time. */
export class RemoteClient<Request, Described> {
  private connection: FrameConnection | undefined;
  private reconnecting: Promise<FrameConnection> | undefined;
  private over: Error | undefined;
  private calling = false;
  /** Pause before the next attempt to resume, in milliseconds; 0 after an answer. */
  private pause = 0;
  /** When the grace period of the last loss ends by our clock; undefined after an answer. */
  private until: number | undefined;
  private readonly session: ClientSession<Request, Described>;
  private readonly where: Address;

  /**
   * @param address Where the server listens, such as `frames://127.0.0.1:5555`.
   * @param options See `ConnectOptions`.
   */
  protected constructor(
    readonly address: string,
    private readonly options: ConnectOptions,
    private readonly service: ClientService<Request, Described>,
  ) {
    this.where = parseAddress(address);
    const { token = "", wait = 0, name = platform().name } = options;
    checkToken(token);
    warnOfToken(token, this.where);
    const settings: ClientOptions = { token, wait, name, progress: options.onProgress !== undefined };
    this.session = new ClientSession(address, settings, service);
  }

  /** What is done with actions outside their bounds. */
  protected get validation(): Validation {
    return this.options.validation ?? "warn";
  }

  /** What is served. */
  protected get described(): Described {
    return this.session.described;
  }

  /** Whether the session has ended, by `close` or by an error. */
  get closed(): boolean {
    return this.over !== undefined;
  }

  /** Whether the server offers a feature. */
  protected can(capability: Capability): boolean {
    return this.session.can(capability);
  }

  /**
   * Open the session.
   *
   * @throws RLMeshError if there is no server, it refuses, or its contract breaks a rule.
   */
  protected async open(check: (described: Described) => void): Promise<void> {
    await this.connect();
    try {
      check(this.session.described);
    } catch (error) {
      await this.close();
      throw error;
    }
  }

  private async connect(): Promise<FrameConnection> {
    const connection = await platform().dial(this.where, this.options.tls);
    try {
      connection.greet(this.service.name, this.options.token ?? "");
      connection.send(this.session.open());
      this.session.opened(await connection.receive());
    } catch (error) {
      // A contract that breaks a rule has opened a session, which ends with its connection or here.
      connection.finish();
      throw error;
    }
    connection.pulsing = "idle";
    connection.onEnd = () => this.noteLoss(connection);
    this.connection = connection;
    return connection;
  }

  /** Resume a session that no call waits for, so that its grace period does not end. */
  private noteLoss(connection: FrameConnection): void {
    if (this.connection !== connection) {
      return;
    }
    this.connection = undefined;
    const failure = this.failureIn(connection.unread());
    if (failure !== undefined && !mayResume(failure)) {
      this.over ??= errorOf(failure, this.address);
    } else if (this.over === undefined && this.session.isResumable && !this.calling) {
      this.connected().catch(() => {});
    }
  }

  /** The connection error that came while nothing was asked for; what is no message is nothing. */
  private failureIn(frame: Uint8Array | undefined): Failure | undefined {
    try {
      return frame && connectionError(this.service.parse(frame));
    } catch {
      return undefined;
    }
  }

  /** The connection, made anew if it is lost. */
  private connected(): Promise<FrameConnection> {
    if (this.connection !== undefined && !this.connection.isLost) {
      return Promise.resolve(this.connection);
    }
    this.reconnecting ??= this.resume().finally(() => {
      this.reconnecting = undefined;
    });
    return this.reconnecting;
  }

  private async resume(): Promise<FrameConnection> {
    this.until ??= performance.now() + this.session.gracePeriodMs;
    const { until } = this;
    let reason = "it cannot be resumed";
    while (this.session.isResumable && performance.now() + this.pause <= until) {
      await sleep(this.pause);
      this.pause = Math.min(2000, this.pause === 0 ? 50 : 2 * this.pause);
      try {
        return await this.connect();
      } catch (error) {
        if (!(error instanceof TransportError) || error instanceof SessionLostError) {
          throw this.end(error);
        }
        reason = error.message;
      }
    }
    const message = `the session at ${this.address} was not resumed: ${reason}`;
    throw this.end(new ConnectionLostError(message, this.address));
  }

  private end<Reason>(error: Reason): Reason {
    this.over ??= error instanceof Error ? error : new Error(String(error));
    this.connection?.finish();
    return error;
  }

  /** Send a request once, and return its answer, over as many connections as it takes. */
  protected async exchange(name: string, body: Request): Promise<unknown> {
    if (this.over !== undefined) {
      throw this.over;
    }
    if (this.calling) {
      throw new ConcurrentCallError("expected one call at a time: await the one that runs first");
    }
    this.calling = true;
    try {
      this.session.request(body);
      return await this.answer(name);
    } finally {
      this.calling = false;
      if (this.connection !== undefined) {
        this.connection.busy = false;
      }
    }
  }

  private async answer(name: string): Promise<unknown> {
    for (let malformedOnce = false; ; ) {
      const failure = await this.attempt(name);
      if ("value" in failure) {
        return failure.value;
      }
      const refused = failure.failure?.code === ErrorCode.MALFORMED;
      if (failure.failure && (!mayResume(failure.failure) || (refused && malformedOnce))) {
        throw this.end(errorOf(failure.failure, this.address));
      }
      malformedOnce ||= refused;
    }
  }

  /** The answer to the outstanding request, or why the connection was lost before it came. */
  private async attempt(
    name: string,
  ): Promise<{ readonly value: unknown } | { readonly failure: Failure | undefined }> {
    const connection = await this.connected();
    connection.busy = true;
    connection.send(this.session.unanswered as Uint8Array);
    for (;;) {
      let frame: Uint8Array;
      try {
        frame = await connection.receive();
      } catch (error) {
        if (error instanceof ConnectionLostError && this.session.isResumable) {
          return { failure: undefined };
        }
        throw this.end(error);
      }
      const response = this.parse(frame);
      const failure = connectionError(response);
      if (failure !== undefined) {
        connection.cut();
        return { failure };
      }
      const answer = this.read(name, response);
      if (answer !== undefined) {
        return answer;
      }
    }
  }

  /** The message of a frame; after one that is none, nothing of the session can be known. */
  private parse(frame: Uint8Array): Answered<Described> {
    try {
      return this.service.parse(frame);
    } catch (error) {
      throw this.end(error);
    }
  }

  private read(name: string, response: Answered<Described>): { readonly value: unknown } | undefined {
    this.pause = 0;
    this.until = undefined;
    try {
      return this.session.answer(name, response, (fraction, message) => {
        this.report(fraction, message);
      });
    } catch (error) {
      const closes = error instanceof Error && "sessionClosed" in error && error.sessionClosed;
      throw closes === true ? this.end(error) : error;
    }
  }

  /** Report progress; the answer is awaited also if the user's callback throws. */
  private report(fraction: number | undefined, message: string): void {
    try {
      this.options.onProgress?.(fraction, message);
    } catch (error) {
      platform().warn(`onProgress threw ${String(error)}`);
    }
  }

  /** End the session; may be called again. */
  async close(): Promise<void> {
    if (this.over !== undefined) {
      return;
    }
    try {
      await this.exchange("close", this.service.close);
    } catch (error) {
      // A session that the server no longer has is closed.
      if (!(error instanceof TransportError)) {
        throw error;
      }
    } finally {
      this.over = new ClosedError(`the client of ${this.address} is closed`);
      this.connection?.finish();
    }
  }
}

/** Whether a connection error leaves a session that can be resumed. */
function mayResume({ code }: Failure): boolean {
  return code !== ErrorCode.SHUTTING_DOWN && code !== ErrorCode.TIMEOUT;
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function warnOfToken(token: string, where: Address): void {
  if (token !== "" && !isPrivate(where)) {
    platform().warn("the token is sent over the network in clear text; use framess://, wss:// or grpcs://");
  }
}
