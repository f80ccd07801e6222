/** Frames as binary messages of a WebSocket (B-18), a client's end: in browsers, and in Node 22 or newer. */

import { type Address, addressText, isWeb } from "./addresses.js";
import { FrameConnection } from "./connection.js";
import { AddressError, ConnectError } from "./remote_errors.js";

/**
 * Silence after which a peer is lost, in milliseconds. A page sees a message once it is whole, and
 * no byte of it before, so that it has to wait longer than other clients (B-13).
 */
const SILENCE_MS = 60_000;
/** Time that the connection may take, in milliseconds. */
const DIAL_MS = 10_000;
/** Frames that may wait unread; a server sends one for each request, and reports of progress. */
const MAX_UNREAD = 256;

/** What this package uses of the WebSocket of browsers. */
interface WebSocketLike {
  binaryType: string;
  send(data: Uint8Array): void;
  close(): void;
  addEventListener(name: "message", call: (event: { readonly data: unknown }) => void): void;
  addEventListener(name: "close", call: (event: { readonly code: number }) => void): void;
  addEventListener(name: "open" | "error", call: () => void): void;
}

/** A WebSocket that carries frames. */
export class WebSocketConnection extends FrameConnection {
  private unreadSince = 0;

  /** @param socket A WebSocket that is open, or will be. */
  constructor(
    private readonly socket: WebSocketLike,
    address: string,
  ) {
    super(address, SILENCE_MS);
    socket.binaryType = "arraybuffer";
    socket.addEventListener("message", ({ data }) => this.take(data));
    socket.addEventListener("error", () => this.end("the WebSocket has failed"));
    socket.addEventListener("close", ({ code }) => this.end(`the WebSocket is closed, status ${code}`));
  }

  override send(frame: Uint8Array): void {
    if (!this.isLost) {
      this.socket.send(frame);
    }
  }

  override finish(): void {
    this.socket.close(); // What was sent goes first.
  }

  override cut(): void {
    this.socket.close();
    this.end("it was closed here");
  }

  protected override pulse(): void {
    this.send(new Uint8Array());
  }

  /** A page cannot leave a WebSocket unread: too many frames end it. */
  protected override flow(reads: boolean): void {
    this.unreadSince = reads ? 0 : this.unreadSince + 1;
    if (this.unreadSince > MAX_UNREAD) {
      this.cut();
    }
  }

  private take(data: unknown): void {
    this.hear();
    if (!(data instanceof ArrayBuffer)) {
      this.cut();
    } else if (data.byteLength > 0) {
      this.deliver(new Uint8Array(data));
    }
  }
}

/**
 * Connect to an address `ws://` or `wss://`.
 *
 * @throws AddressError if it is another one, or if there are no WebSockets here.
 * @throws ConnectError if no server answers, or if it refuses the page.
 */
export async function dialWebSocket(address: Address): Promise<FrameConnection> {
  const text = addressText(address);
  if (!isWeb(address)) {
    throw new AddressError(`expected ws:// or wss://, which browsers reach, got ${text}`);
  }
  const { WebSocket } = globalThis as { WebSocket?: new (url: string) => WebSocketLike };
  if (WebSocket === undefined) {
    throw new AddressError(`${text} needs WebSockets, which browsers and Node 22 have`);
  }
  const socket = new WebSocket(text);
  const connection = new WebSocketConnection(socket, text);
  await new Promise<void>((resolve, reject) => {
    const timer = setTimeout(() => connection.cut(), DIAL_MS);
    socket.addEventListener("open", () => resolve());
    socket.addEventListener("open", () => clearTimeout(timer));
    connection.onEnd = () => {
      clearTimeout(timer);
      const hint = "is it there, and is the origin of this page in its websocket_origins?";
      reject(new ConnectError(`no server answers at ${text}: ${hint}`, text));
    };
  });
  connection.onEnd = () => {};
  return connection;
}
