/** `FrameConnection`: what connections that carry frames share, over sockets and WebSockets. */

import { create, toBinary } from "@bufbuild/protobuf";
import { FramesHelloSchema } from "@rlmesh/proto/session/v1/frames_pb";

import type { RLMeshError } from "./errors.js";
import { ConnectionLostError } from "./remote_errors.js";

/** Largest message, in bytes (M-1). */
export const MAX_MESSAGE_BYTES = 268_435_456;
/** Frames that a peer may send ahead before its connection is left unread. */
const MAX_WAITING = 4;
/** Time between two pulses, in milliseconds; B-13 asks for one at least every 5 s. */
const PULSE_MS = 4_000;

/** A connection that carries frames, at either end. */
export abstract class FrameConnection {
  private readonly frames: Uint8Array[] = [];
  private waiting: { take(frame: Uint8Array): void; fail(error: Error): void } | undefined;
  private ended: RLMeshError | undefined;
  private heard = performance.now();
  private timer: ReturnType<typeof setInterval> | undefined;
  /** What is called once when the connection has ended, however it did. */
  onEnd: () => void = () => {};
  /** Whether pulses are sent now: a client's while it waits for nothing, a server's while it works. */
  pulsing: "never" | "idle" | "busy" = "never";
  /** Whether a request is being handled; see `pulsing`. */
  busy = false;

  /**
   * @param address The peer's address, for errors.
   * @param silenceMs Silence after which a peer is lost, in milliseconds (B-13); 0: it has no pulses.
   */
  protected constructor(
    readonly address: string,
    private readonly silenceMs: number,
  ) {
    if (silenceMs > 0) {
      const timer = setInterval(() => this.beat(), PULSE_MS);
      this.timer = timer;
      if (typeof timer === "object") {
        timer.unref(); // In Node a connection does not keep the process.
      }
    }
  }

  /** Name the service and show the token, as the first thing that a client does (B-16). */
  greet(service: string, token: string): void {
    this.send(toBinary(FramesHelloSchema, create(FramesHelloSchema, { service, token })));
  }

  /** Send a frame. One that cannot be sent is lost, as the connection is. */
  abstract send(frame: Uint8Array): void;
  /** Send what is left, then end the connection; for a second more, read what the peer has sent. */
  abstract finish(): void;
  /** End the connection now. */
  abstract cut(): void;
  /** Send an empty frame. */
  protected abstract pulse(): void;
  /** Stop reading, or read again. */
  protected abstract flow(reads: boolean): void;

  /** Whether the connection has ended. */
  get isLost(): boolean {
    return this.ended !== undefined;
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
        this.flow(true);
      }
      return Promise.resolve(frame);
    }
    if (this.ended !== undefined) {
      return Promise.reject(this.ended);
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

  /** Note that bytes have come. */
  protected hear(): void {
    this.heard = performance.now();
  }

  /** Hand a frame to what waits for one, or keep it. */
  protected deliver(frame: Uint8Array): void {
    const { waiting } = this;
    if (waiting !== undefined) {
      this.waiting = undefined;
      waiting.take(frame);
      return;
    }
    this.frames.push(frame);
    if (this.frames.length >= MAX_WAITING) {
      this.flow(false);
    }
  }

  /** Note that the connection has ended. */
  protected end(reason: string | RLMeshError): void {
    if (this.ended !== undefined) {
      return;
    }
    this.ended = typeof reason === "string" ? this.lost(reason) : reason;
    clearInterval(this.timer);
    this.waiting?.fail(this.ended);
    this.waiting = undefined;
    this.onEnd();
  }

  private lost(reason: string): ConnectionLostError {
    const message = `the connection to ${this.address} is lost: ${reason}`;
    return new ConnectionLostError(message, this.address);
  }

  private beat(): void {
    if (this.pulsing !== "never" && this.busy === (this.pulsing === "busy")) {
      this.pulse();
    }
    if (this.isSilent()) {
      // Bytes may have come while this process did something else: they are read first.
      this.afterReading(() => {
        if (this.isSilent()) {
          this.end(`nothing has come for ${this.silenceMs / 1000} s`);
          this.cut();
        }
      });
    }
  }

  /** Call a function once what has arrived has been read. */
  protected afterReading(call: () => void): void {
    setTimeout(call, 0);
  }

  /** Whether a frame is waited for, and no byte has come for too long. */
  private isSilent(): boolean {
    return this.waiting !== undefined && performance.now() - this.heard > this.silenceMs;
  }
}
