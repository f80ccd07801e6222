/** `Service`: what a server serves, as its sessions see it. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import type * as handshake from "@rlmesh/proto/session/v1/handshake_pb";

import type { FailureInit } from "./refusals.js";

/** Options of the server's part. */
export interface SessionOptions {
  /** The token that clients must have; empty: none. */
  readonly token: string;
  /** How long a session outlives its connection, in milliseconds; 0: it does not. */
  readonly gracePeriodMs: number;
  /** What makes the id and the resume key of a session. */
  readonly secrets?: { id(): string; key(): Uint8Array };
}

/** A member of a oneof. */
export interface Member {
  readonly case?: string | undefined;
}

/** What the answers to `open` and `describe` have in common. */
export interface Offer {
  readonly server: MessageInitShape<typeof handshake.PeerInfoSchema>;
  readonly terms: MessageInitShape<typeof handshake.SessionTermsSchema>;
}

/** The header of an answer to `open`. */
export type OpenedInit = MessageInitShape<typeof handshake.OpenedHeaderSchema>;

/** Report the progress of a call. */
export type Report = (message: string, fraction?: number) => void;

/** Applies the numbered requests of one session, one at a time. */
export interface SessionRequests<Request, Body> {
  /** The answer to a request, and how long the user's code took, in microseconds. */
  answer(request: Request, report: Report): Promise<{ response: Body; callUs: bigint }>;
}

/** What is served: its messages, and what answers requests. */
export interface Service<Request extends Member, Body> {
  /** Full name of the service. */
  readonly name: string;
  /** Sessions that it has at once. */
  readonly maxSessions: number;
  /** What a client may use, besides resuming. */
  readonly capabilities: readonly handshake.Capability[];
  /** The message of a frame; throws if it is none. */
  parse(frame: Uint8Array): { readonly sequence: bigint; readonly request: Request };
  /** The frame of an answer. */
  write(sequence: bigint, response: Body, callUs: bigint): Uint8Array;
  /** The header of an `open`, which a client may have left out; undefined: it is another request. */
  headerOf(request: Request): { readonly header: handshake.OpenHeader | undefined } | undefined;
  /** Begin the session that an `open` asks for; throws if it cannot be served. */
  begin(request: Request): SessionRequests<Request, Body>;
  failure(value: FailureInit): Body;
  /** A report of progress; undefined: the service has none. */
  progress(message: string, fraction: number | undefined): Body | undefined;
  opened(header: OpenedInit, isNew: boolean): Body;
  described(value: Offer): Body;
}
