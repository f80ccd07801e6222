/** `FramesServer`: listens for sessions over frames alone (B-15). */

import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import net from "node:net";
import tls from "node:tls";
import { isMainThread } from "node:worker_threads";

import { type Address, addressText, checkToken, isLocal } from "./addresses.js";
import { parseAddress, type TLSOptions } from "./addresses.js";
import { MAX_MESSAGE_BYTES } from "./connection.js";
import { FrameSocket, MAX_HELLO_BYTES, secureContext } from "./frames.js";
import { AddressError, ConnectionLostError } from "./remote_errors.js";
import { type Receiver, ServerConnection } from "./server_session.js";
import type { SessionOptions } from "./service.js";

/** Options of a server, whatever it serves. */
export interface ListenOptions {
  /** The bearer token that clients must have; absent: none. */
  readonly token?: string;
  /** Certificate and key for a `framess://` address; with `authority`, clients need a certificate. */
  readonly tls?: TLSOptions;
  /** Seconds that a session outlives its connection; 30 by default, 0: it ends with it. */
  readonly gracePeriod?: number;
}

/** Connections that a server has at once (B-16). */
const MAX_CONNECTIONS = 1024;
/** Time for TLS, FramesHello and the first request together, in milliseconds (B-16). */
const FIRST_MS = 10_000;

/** Largest sum of the sizes of first requests that are being received, in bytes. */
const MAX_FIRST_SUM = 2 * MAX_MESSAGE_BYTES;

/** A server of frames alone. */
export class FramesServer {
  private readonly connections = new Set<Connection>();

  /** Use `serveFrames`, which begins to listen. */
  constructor(
    private readonly listener: net.Server,
    private readonly where: Address,
    private readonly sessions: Receiver,
    private readonly maxFirstBytes: number,
  ) {
    const event = where.scheme === "framess" ? "secureConnection" : "connection";
    listener.on(event, (socket: net.Socket) => this.accept(socket));
  }

  /** Where it listens, with the port that was chosen for port 0. */
  get address(): string {
    const bound = this.listener.address();
    return typeof bound === "object" && bound !== null && "host" in this.where
      ? addressText({ ...this.where, port: bound.port })
      : addressText(this.where);
  }

  private accept(socket: net.Socket): void {
    if (this.connections.size >= MAX_CONNECTIONS) {
      const oldest = [...this.connections].find(({ state }) => !state.opened);
      if (oldest === undefined) {
        socket.destroy();
        return;
      }
      oldest.cut();
    }
    const hasPulses = "host" in this.where;
    const frames = new FrameSocket(socket, "a client", hasPulses, [MAX_HELLO_BYTES, this.maxFirstBytes]);
    const connection = new Connection(frames, this.sessions);
    frames.reserve = (size) => this.reserve(connection, size);
    this.connections.add(connection);
    void connection.serve().finally(() => this.connections.delete(connection));
  }

  /** Take memory for a first request; the largest one of too many is given up. */
  private reserve(connection: Connection, size: number): boolean {
    connection.reserved = size;
    for (;;) {
      const strangers = [...this.connections].filter(({ state }) => !state.opened && !state.ended);
      if (strangers.reduce((sum, { reserved }) => sum + reserved, 0) <= MAX_FIRST_SUM) {
        return strangers.includes(connection) || connection.state.opened;
      }
      strangers.reduce((most, one) => (one.reserved > most.reserved ? one : most)).cut();
    }
  }

  /** Stop: a call that runs is answered, then every session ends. */
  async close(): Promise<void> {
    const stopped = new Promise((resolve) => this.listener.close(resolve));
    await this.sessions.stop();
    for (const connection of this.connections) {
      connection.finish();
    }
    await stopped;
  }
}

/** One connection of a client. */
class Connection {
  readonly state: ServerConnection;
  /** Bytes of the message that is being received. */
  reserved = 0;
  private readonly timer: NodeJS.Timeout;

  constructor(
    private readonly frames: FrameSocket,
    private readonly sessions: Receiver,
  ) {
    const end = (atOnce: boolean) => (atOnce ? this.cut() : this.finish());
    this.state = new ServerConnection({ send: (frame) => frames.send(frame), end });
    this.timer = setTimeout(() => this.cut(), FIRST_MS);
    const refuse = frames.refuse;
    frames.refuse = (error) => {
      if (this.state.greeted) {
        refuse(error);
      } else {
        sessions.refuseLength(this.state, error.message);
      }
    };
    frames.onEnd = () => sessions.lost(this.state);
  }

  /** Handle one message after another until the connection ends. */
  async serve(): Promise<void> {
    try {
      while (!this.state.ended) {
        const frame = await this.frames.receive();
        this.frames.busy = true;
        await this.sessions.receive(this.state, frame);
        this.frames.busy = false;
        if (this.state.opened) {
          clearTimeout(this.timer);
          this.frames.pulsing = "busy";
        }
      }
    } catch (error) {
      if (!(error instanceof ConnectionLostError)) {
        process.emitWarning(`a connection of a client has ended: ${String(error)}`);
        this.cut();
      }
    } finally {
      clearTimeout(this.timer);
    }
  }

  finish(): void {
    this.frames.finish();
  }

  cut(): void {
    this.frames.cut();
  }
}

/** The options of sessions that a server's options give. */
export function sessionOptions({ token = "", gracePeriod = 30 }: ListenOptions): SessionOptions {
  checkToken(token);
  return { token, gracePeriodMs: Math.round(1000 * gracePeriod) };
}

/**
 * Serve sessions at an address of frames.
 *
 * @param maxFirstBytes Largest first request, in bytes (B-16).
 * @throws AddressError if the address cannot be listened on.
 */
export async function serveFrames(
  sessions: Receiver,
  address: string,
  options: ListenOptions,
  maxFirstBytes: number,
): Promise<FramesServer> {
  const where = parseAddress(address);
  if (!where.scheme.startsWith("frames")) {
    throw new AddressError(`expected an address of frames, such as frames://HOST:PORT, got ${address}`);
  }
  const listener = listenerOf(where, options.tls);
  const server = new FramesServer(listener, where, sessions, maxFirstBytes);
  await listen(listener, where, address);
  if (!isLocal(where) && (options.token ?? "") === "" && options.tls?.authority === undefined) {
    process.emitWarning(`${server.address} has no token: all that reach it can use it`);
  }
  return server;
}

function listenerOf(where: Address, certificates: TLSOptions | undefined): net.Server {
  if (where.scheme !== "framess") {
    return net.createServer();
  }
  if (certificates?.certificate === undefined || certificates.key === undefined) {
    throw new AddressError("framess:// needs `tls` with a certificate and its key");
  }
  const mutual = certificates.authority !== undefined;
  return tls.createServer({
    ...secureContext(certificates),
    handshakeTimeout: FIRST_MS,
    requestCert: mutual,
    rejectUnauthorized: mutual,
  });
}

async function listen(listener: net.Server, where: Address, text: string): Promise<void> {
  try {
    await bind(listener, where);
  } catch (error) {
    if ("host" in where || !(await isStale(where.path))) {
      throw new AddressError(`cannot listen on ${text}: ${String(error)}`);
    }
    unlinkSync(where.path);
    await bind(listener, where);
  }
}

function bind(listener: net.Server, where: Address): Promise<void> {
  return new Promise((resolve, reject) => {
    listener.once("error", reject);
    listener.once("listening", () => {
      listener.off("error", reject);
      resolve();
    });
    if ("host" in where) {
      listener.listen({ host: where.host, port: where.port });
      return;
    }
    // The socket is made at once; a worker thread cannot set the mode that it is made with.
    const before = isMainThread ? process.umask(0o177) : undefined;
    try {
      listener.listen({ path: where.path });
    } finally {
      if (before !== undefined) {
        process.umask(before);
      }
    }
    if (listener.listening) {
      chmodSync(where.path, 0o600);
    }
  });
}

/** Whether a path is the socket of a server that has ended. */
function isStale(path: string): Promise<boolean> {
  if (!lstatSync(path, { throwIfNoEntry: false })?.isSocket()) {
    return Promise.resolve(false);
  }
  return new Promise((resolve) => {
    const probe = net.connect({ path });
    probe.once("connect", () => {
      probe.destroy();
      resolve(false);
    });
    probe.once("error", (error: NodeJS.ErrnoException) => resolve(error.code === "ECONNREFUSED"));
  });
}
