/** What a server keeps of a session between two connections. */

import { create } from "@bufbuild/protobuf";
import { ErrorCode, SessionHolderSchema } from "@rlmesh/proto/session/v1/error_pb";

import { Refusal } from "./refusals.js";
import type { ServerConnection } from "./server_session.js";

/** A session, over one connection after another. */
export class KeptSession {
  last = 0n;
  kept: Uint8Array = new Uint8Array();
  running: Promise<void> | undefined;
  isRunning = false;
  isClosed = false;
  isExpired = false;
  reports = false;
  reportedAt = -Infinity;
  /** The connection that it is on now; undefined: it is lost. */
  connection: ServerConnection | undefined;
  grace: ReturnType<typeof setTimeout> | undefined;
  private readonly since = performance.now();

  constructor(
    private readonly holder: string,
    readonly id: string,
    /** Empty: the session ends with its connection. */
    readonly key: Uint8Array,
  ) {}

  /** The refusal of another session (K-4). */
  busy(): Refusal {
    const clientName = this.holder.slice(0, 256);
    const heldMs = BigInt(Math.round(performance.now() - this.since));
    const message = `the environment is held by ${clientName || "another client"}`;
    const holder = create(SessionHolderSchema, { clientName, heldMs });
    return new Refusal({ code: ErrorCode.BUSY, message, holder });
  }
}
