/** Frames on sockets: addresses, and messages after their lengths (B-12 to B-16). */

import net from "node:net";
import tls from "node:tls";

import { AddressError, ConnectError, ConnectionLostError } from "./remote_errors.js";

/** Largest message, in bytes (M-1). */
export const MAX_MESSAGE_BYTES = 268_435_456;
/** Largest FramesHello, in bytes (B-16). */
export const MAX_HELLO_BYTES = 8_192;
/** Largest first request to an environment, in bytes (B-16). */
export const MAX_FIRST_BYTES = 65_536;

/** Time between two pulses, in milliseconds; B-13 asks for one at least every 5 s. */
const PULSE_MS = 4_000;
/** Silence after which a peer is lost, in milliseconds (B-13). */
const SILENCE_MS = 20_000;
/** Frames that a peer may send ahead before its socket is left unread. */
const MAX_WAITING = 4;
/** Largest frame that is copied behind its length, so that both are one write. */
const MAX_JOINED = 65_536;

/** Certificates of one end of a connection, in PEM. */
export interface TLSOptions {
  /** Certificate of this end, with its chain. A server needs one. */
  readonly certificate?: string | Buffer;
  /** Private key of the certificate. */
  readonly key?: string | Buffer;
  /** Certificate of the authority that the peer's certificate is verified with. */
  readonly authority?: string | Buffer;
}

/** Where a server listens. */
export type Address =
  | { readonly scheme: "frames" | "framess"; readonly host: string; readonly port: number }
  | { readonly scheme: "frames+unix"; readonly path: string };

/** The address of a text: `frames://HOST:PORT`, `framess://HOST:PORT` or `frames+unix:///PATH`. */
export function parseAddress(text: string): Address {
  const unix = /^frames\+unix:\/\/(\/.+)$/s.exec(text);
  if (unix !== null) {
    return { scheme: "frames+unix", path: unix[1] as string };
  }
  const found = /^(framess?):\/\/(?:\[([^\]/]+)\]|([^:/[\]]+)):([0-9]{1,5})$/.exec(text);
  const port = Number(found?.[4]);
  if (found === null || port > 65_535) {
    const forms = "frames://HOST:PORT, framess://HOST:PORT or frames+unix:///ABSOLUTE/PATH";
    throw new AddressError(`expected ${forms}, got ${JSON.stringify(text)}`);
  }
  const host = found[2] ?? (found[3] as string);
  return { scheme: found[1] as "frames" | "framess", host, port };
}

/** The text of an address. */
export function addressText(address: Address): string {
  if (address.scheme === "frames+unix") {
    return `frames+unix://${address.path}`;
  }
  const { scheme, host, port } = address;
  return `${scheme}://${host.includes(":") ? `[${host}]` : host}:${port}`;
}

/** Refuse what is no token (Y-3); an empty one stands for none. */
export function checkToken(token: string): void {
  if (token !== "" && !/^[\x21-\x7e]{1,4096}$/.test(token)) {
    throw new TypeError("expected a token of 1 to 4096 visible ASCII characters without spaces");
  }
}

/** Whether only processes of this host reach the address. */
export function isLocal(address: Address): boolean {
  return address.scheme === "frames+unix" || /^(localhost|::1|127\..*)$/.test(address.host);
}

/** Takes frames out of the bytes of a stream. */
export class FrameReader {
  private header = new Uint8Array(4);
  private headerSize = 0;
  private body: Uint8Array | undefined;
  private bodySize = 0;

  /**
   * @param limits Largest sizes of the first frames, in bytes, one each; those after them have
   *   `MAX_MESSAGE_BYTES`. A longer frame is refused before memory is taken for it.
   */
  constructor(private readonly limits: number[] = []) {}

  /**
   * The frames that are whole now. A frame within `chunk` is a view of it; a pulse is no frame.
   *
   * @throws RangeError if a length is over the limit.
   */
  *read(chunk: Uint8Array): Generator<Uint8Array> {
    let at = 0;
    while (at < chunk.length) {
      if (this.body === undefined) {
        at += this.readHeader(chunk, at);
        if (this.headerSize < 4) {
          return;
        }
        this.headerSize = 0;
        const size = new DataView(this.header.buffer).getUint32(0, true);
        if (size === 0) {
          continue;
        }
        const limit = this.limits.shift() ?? MAX_MESSAGE_BYTES;
        if (size > limit) {
          throw new RangeError(`expected a message of at most ${limit} bytes, got ${size}`);
        }
        if (chunk.length - at >= size) {
          yield chunk.subarray(at, at + size);
          at += size;
          continue;
        }
        this.body = new Uint8Array(size);
        this.bodySize = 0;
      }
      const part = chunk.subarray(at, at + this.body.length - this.bodySize);
      this.body.set(part, this.bodySize);
      this.bodySize += part.length;
      at += part.length;
      if (this.bodySize === this.body.length) {
        const whole = this.body;
        this.body = undefined;
        yield whole;
      }
    }
  }

  private readHeader(chunk: Uint8Array, at: number): number {
    const part = chunk.subarray(at, at + 4 - this.headerSize);
    this.header.set(part, this.headerSize);
    this.headerSize += part.length;
    return part.length;
  }
}

/** A connection that carries frames, at either end. */
export class FrameSocket {
  private readonly reader: FrameReader;
  private readonly frames: Uint8Array[] = [];
  private waiting: { take(frame: Uint8Array): void; fail(error: Error): void } | undefined;
  private ended: string | undefined;
  private finished = false;
  private pulses: NodeJS.Timeout | undefined;
  private heard = performance.now();
  /** What is called once when the connection has ended, however it did. */
  onEnd: () => void = () => {};

  /**
   * @param address The peer's address, for errors.
   * @param hasPulses Whether it is a connection of TCP, on which a silent peer is lost (B-13).
   * @param limits See `FrameReader`.
   */
  constructor(
    private readonly socket: net.Socket,
    readonly address: string,
    hasPulses: boolean,
    limits: number[] = [],
  ) {
    this.reader = new FrameReader(limits);
    socket.on("data", (chunk: Buffer) => this.take(chunk));
    socket.on("error", (error) => this.end(error.message));
    socket.on("end", () => this.end("the peer has ended it"));
    socket.on("close", () => this.end("it is closed"));
    if (hasPulses) {
      socket.setNoDelay(true);
      this.pulses = setInterval(() => this.beat(), PULSE_MS).unref();
    }
  }

  /** Whether pulses are sent now: a client's while it waits for nothing, a server's while it works. */
  pulsing: "never" | "idle" | "busy" = "never";
  /** Whether a request is being handled; see `pulsing`. */
  busy = false;

  /** Whether the connection has ended. */
  get isLost(): boolean {
    return this.ended !== undefined;
  }

  /** Send a frame. One that cannot be sent is lost, as the connection is. */
  send(frame: Uint8Array): void {
    if (this.ended !== undefined) {
      return;
    }
    if (frame.length > MAX_JOINED) {
      const header = Buffer.allocUnsafe(4);
      header.writeUInt32LE(frame.length);
      this.socket.cork();
      this.socket.write(header);
      this.socket.write(frame);
      this.socket.uncork();
      return;
    }
    const message = Buffer.allocUnsafe(4 + frame.length);
    message.writeUInt32LE(frame.length);
    message.set(frame, 4);
    this.socket.write(message);
  }

  /**
   * Receive the next frame; those that came before the connection ended come first (B-16).
   *
   * @throws ConnectionLostError if there is none any more.
   */
  receive(): Promise<Uint8Array> {
    const frame = this.frames.shift();
    if (frame !== undefined) {
      if (this.frames.length < MAX_WAITING) {
        this.socket.resume();
      }
      return Promise.resolve(frame);
    }
    if (this.ended !== undefined) {
      return Promise.reject(this.lost(this.ended));
    }
    this.heard = performance.now();
    return new Promise((take, fail) => {
      this.waiting = { take, fail };
    });
  }

  /** A frame that has come and that nothing has received; undefined if there is none. */
  unread(): Uint8Array | undefined {
    return this.frames[0];
  }

  /** Send what is left, then end the connection; for a second more, read what the peer has sent. */
  finish(): void {
    this.finished = true;
    this.socket.end();
    const timer = setTimeout(() => this.socket.destroy(), 1000).unref();
    this.socket.once("close", () => clearTimeout(timer));
    this.socket.resume();
  }

  /** End the connection now. */
  cut(): void {
    this.socket.destroy();
    this.end("it was closed here");
  }

  private take(chunk: Uint8Array): void {
    this.heard = performance.now();
    if (this.finished) {
      return;
    }
    try {
      for (const frame of this.reader.read(chunk)) {
        this.deliver(frame);
      }
    } catch (error) {
      this.refuse(error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** What is done about a frame that is too long: the connection ends (B-12). */
  refuse: (error: Error) => void = (error) => {
    this.end(error.message);
    this.socket.destroy();
  };

  private deliver(frame: Uint8Array): void {
    const { waiting } = this;
    if (waiting !== undefined) {
      this.waiting = undefined;
      waiting.take(frame);
      return;
    }
    this.frames.push(frame);
    if (this.frames.length >= MAX_WAITING) {
      this.socket.pause();
    }
  }

  private end(reason: string): void {
    if (this.ended !== undefined) {
      return;
    }
    this.ended = reason;
    clearInterval(this.pulses);
    this.waiting?.fail(this.lost(reason));
    this.waiting = undefined;
    this.onEnd();
  }

  private lost(reason: string): ConnectionLostError {
    const message = `the connection to ${this.address} is lost: ${reason}`;
    return new ConnectionLostError(message, this.address);
  }

  private beat(): void {
    if (this.pulsing !== "never" && this.busy === (this.pulsing === "busy")) {
      this.socket.write(PULSE);
    }
    if (!this.isSilent()) {
      return;
    }
    // Bytes may have come while this process did something else: they are read first.
    setImmediate(() => {
      if (this.isSilent()) {
        this.end("nothing has come for 20 s");
        this.socket.destroy();
      }
    });
  }

  /** Whether a frame is waited for, and no byte has come for too long. */
  private isSilent(): boolean {
    return this.waiting !== undefined && performance.now() - this.heard > SILENCE_MS;
  }
}

const PULSE = new Uint8Array(4);

/**
 * Connect to an address.
 *
 * @throws ConnectError if nothing answers, or if its certificate is not trusted.
 */
export async function dial(address: Address, certificates: TLSOptions = {}): Promise<FrameSocket> {
  const text = addressText(address);
  const socket = address.scheme === "framess" ? dialTLS(address, certificates) : dialPlain(address);
  const connected = address.scheme === "framess" ? "secureConnect" : "connect";
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => socket.destroy(new Error("no answer within 10 s")), 10_000);
    socket.once(connected, resolve);
    socket.once("error", (error) => {
      reject(new ConnectError(`no server answers at ${text}: ${error.message}`, text));
    });
    socket.once("close", () => {
      clearTimeout(timer);
      reject(new ConnectError(`no server answers at ${text}: the connection was closed`, text));
    });
    socket.once(connected, () => clearTimeout(timer));
  });
  return new FrameSocket(socket, text, address.scheme !== "frames+unix");
}

function dialPlain(address: Address): net.Socket {
  return address.scheme === "frames+unix"
    ? net.connect({ path: address.path })
    : net.connect({ host: address.host, port: address.port, noDelay: true });
}

function dialTLS(
  { host, port }: { readonly host: string; readonly port: number },
  certificates: TLSOptions,
): tls.TLSSocket {
  const name = net.isIP(host) === 0 ? { servername: host } : {};
  return tls.connect({ host, port, ...name, ...secureContext(certificates) });
}

/** Options of node:tls for both ends. */
export function secureContext({ certificate, key, authority }: TLSOptions): tls.SecureContextOptions {
  return {
    minVersion: "TLSv1.2",
    ...(certificate === undefined ? {} : { cert: certificate }),
    ...(key === undefined ? {} : { key }),
    ...(authority === undefined ? {} : { ca: authority }),
  };
}
