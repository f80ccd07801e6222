/** Frames on sockets: messages after their lengths (B-12 to B-16). */

import net from "node:net";
import tls from "node:tls";

import { type Address, addressText, type TLSOptions } from "./addresses.js";
import { FrameConnection, MAX_MESSAGE_BYTES } from "./connection.js";
import { ConnectError } from "./remote_errors.js";

/** Largest FramesHello, in bytes (B-16). */
export const MAX_HELLO_BYTES = 8_192;
/** Largest first request to an environment, in bytes (B-16). */
export const MAX_FIRST_BYTES = 65_536;

/** Silence after which a peer is lost, in milliseconds (B-13). */
const SILENCE_MS = 20_000;
/** Largest frame that is copied behind its length, so that both are one write. */
const MAX_JOINED = 65_536;

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

  /** Asked before memory is taken for a frame that has not come whole; false: there is none for it. */
  reserve: (size: number) => boolean = () => true;

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
        if (!this.reserve(size)) {
          throw new RangeError(`there is no memory for a message of ${size} bytes now`);
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

/** A socket that carries frames, at either end. */
export class FrameSocket extends FrameConnection {
  private readonly reader: FrameReader;
  private finished = false;

  /** See `FrameReader`. */
  set reserve(reserve: (size: number) => boolean) {
    this.reader.reserve = reserve;
  }

  /**
   * @param address The peer's address, for errors.
   * @param hasPulses Whether it is a connection of TCP, on which a silent peer is lost (B-13).
   * @param limits See `FrameReader`.
   */
  constructor(
    private readonly socket: net.Socket,
    address: string,
    hasPulses: boolean,
    limits: number[] = [],
  ) {
    super(address, hasPulses ? SILENCE_MS : 0);
    this.reader = new FrameReader(limits);
    socket.on("data", (chunk: Buffer) => this.take(chunk));
    socket.on("error", (error) => this.end(error.message));
    socket.on("end", () => this.end("the peer has ended it"));
    socket.on("close", () => this.end("it is closed"));
    if (hasPulses) {
      socket.setNoDelay(true);
    }
  }

  override send(frame: Uint8Array): void {
    if (this.isLost) {
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

  override finish(): void {
    this.finished = true;
    this.socket.end();
    const timer = setTimeout(() => this.socket.destroy(), 1000).unref();
    this.socket.once("close", () => clearTimeout(timer));
    this.socket.resume();
  }

  override cut(): void {
    this.socket.destroy();
    this.end("it was closed here");
  }

  protected override pulse(): void {
    this.socket.write(PULSE);
  }

  protected override flow(reads: boolean): void {
    if (reads) {
      this.socket.resume();
    } else {
      this.socket.pause();
    }
  }

  protected override afterReading(call: () => void): void {
    setImmediate(call);
  }

  private take(chunk: Uint8Array): void {
    this.hear();
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
}

const PULSE = new Uint8Array(4);

/**
 * Connect to an address of frames on a socket.
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
  return new FrameSocket(socket, text, "host" in address);
}

function dialPlain(address: Address): net.Socket {
  return "path" in address
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
    ...(certificate === undefined ? {} : { cert: pem(certificate) }),
    ...(key === undefined ? {} : { key: pem(key) }),
    ...(authority === undefined ? {} : { ca: pem(authority) }),
  };
}

function pem(text: string | Uint8Array): string | Buffer {
  return typeof text === "string" ? text : Buffer.from(text);
}
