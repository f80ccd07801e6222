/** Frames as messages of a stream of gRPC, a client's end (B-1 to B-11). */

import { Client, type ClientDuplexStream, credentials, Metadata } from "@grpc/grpc-js";
import { type ChannelCredentials, type ServiceError, status } from "@grpc/grpc-js";
import { create } from "@bufbuild/protobuf";
import { ErrorCode, FailureSchema } from "@rlmesh/proto/session/v1/error_pb";

import { type Address, addressText, authorityOf, isLocal, type TLSOptions } from "./addresses.js";
import { FrameConnection, MAX_MESSAGE_BYTES } from "./connection.js";
import type { RLMeshError } from "./errors.js";
import { ConnectError, ConnectionLostError, errorOf, WrongServiceError } from "./remote_errors.js";

/** Time that the connection may take, in milliseconds. */
const DIAL_MS = 10_000;

/** PINGs and the time that their answers have, in milliseconds (B-8). */
const KEEPALIVE_MS = 10_000;

/** Codes of statuses that end a stream (B-11); all others are lost connections. */
const CODES: Readonly<Partial<Record<status, ErrorCode>>> = {
  [status.UNAUTHENTICATED]: ErrorCode.UNAUTHENTICATED,
  [status.PERMISSION_DENIED]: ErrorCode.PERMISSION_DENIED,
  [status.RESOURCE_EXHAUSTED]: ErrorCode.LIMIT_EXCEEDED,
  [status.INVALID_ARGUMENT]: ErrorCode.MALFORMED,
};

/** A stream of gRPC that carries frames. */
export class GrpcConnection extends FrameConnection {
  private stream: ClientDuplexStream<Buffer, Buffer> | undefined;

  /** @param client A channel of its own, which ends with the connection. */
  constructor(
    private readonly client: Client,
    address: string,
  ) {
    super(address, 0); // HTTP/2 has PINGs of its own.
  }

  /** Begin the stream, with the token in its metadata (B-4). */
  override greet(service: string, token: string): void {
    const metadata = new Metadata();
    if (token !== "") {
      metadata.set("authorization", `Bearer ${token}`);
    }
    const path = `/${service}/Session`;
    const same = (bytes: Buffer) => bytes;
    const stream = this.client.makeBidiStreamRequest(path, same, same, metadata);
    stream.on("data", (message: Buffer) => this.deliver(message));
    stream.on("error", (error: ServiceError) => this.close(this.errorOf(error, service)));
    stream.on("end", () => this.close("the server has ended the stream"));
    this.stream = stream;
  }

  override send(frame: Uint8Array): void {
    if (!this.isLost) {
      this.stream?.write(Buffer.from(frame.buffer, frame.byteOffset, frame.byteLength));
    }
  }

  override finish(): void {
    this.stream?.end();
    const timer = setTimeout(() => this.cut(), 1000).unref();
    this.stream?.once("status", () => {
      clearTimeout(timer);
      this.client.close();
    });
  }

  override cut(): void {
    this.stream?.cancel();
    this.close("it was closed here");
  }

  protected override pulse(): void {}

  protected override flow(reads: boolean): void {
    if (reads) {
      this.stream?.resume();
    } else {
      this.stream?.pause();
    }
  }

  private close(reason: string | RLMeshError): void {
    this.end(reason);
    this.client.close();
  }

  private errorOf({ code, details }: ServiceError, service: string): RLMeshError {
    if (code === status.UNIMPLEMENTED) {
      return new WrongServiceError(`${this.address} does not serve ${service}: ${details}`, this.address);
    }
    const known = CODES[code];
    if (known === undefined) {
      const reason = `${status[code]}: ${details}`;
      return new ConnectionLostError(`the connection to ${this.address} is lost: ${reason}`, this.address);
    }
    const init = { code: known, message: details, sessionClosed: true };
    return errorOf(create(FailureSchema, init), this.address);
  }
}

/**
 * Connect to an address of gRPC.
 *
 * @throws ConnectError if nothing answers, or if its certificate is not trusted.
 */
export async function dialGrpc(address: Address, tls: TLSOptions = {}): Promise<FrameConnection> {
  const text = addressText(address);
  const target = "path" in address ? `unix:${address.path}` : authorityOf(address);
  const secure = address.scheme === "grpcs" ? certificatesOf(tls) : credentials.createInsecure();
  const client = new Client(target, secure, {
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
    "grpc.keepalive_time_ms": KEEPALIVE_MS,
    "grpc.keepalive_timeout_ms": KEEPALIVE_MS,
    // Channels with equal options share a connection: one client's cut would be another's.
    "grpc.use_local_subchannel_pool": 1,
    // A proxy of the machine must not catch loopback (B-9).
    ...(isLocal(address) && { "grpc.enable_http_proxy": 0 }),
  });
  await new Promise<void>((resolve, reject) => {
    client.waitForReady(Date.now() + DIAL_MS, (error) => {
      if (error === undefined) {
        resolve();
        return;
      }
      client.close();
      reject(new ConnectError(`no server answers at ${text}: ${error.message}`, text));
    });
  });
  return new GrpcConnection(client, text);
}

function certificatesOf({ authority, key, certificate }: TLSOptions): ChannelCredentials {
  const [root, own, chain] = [authority, key, certificate].map((pem) => {
    return pem === undefined ? null : typeof pem === "string" ? Buffer.from(pem) : Buffer.from(pem);
  });
  return credentials.createSsl(root, own, chain);
}
