/** What a server keeps of a session between two connections. */

import { create } from "@bufbuild/protobuf";
import { ErrorCode, SessionHolderSchema } from "@rlmesh/proto/session/v1/error_pb";

import type { FailureInit } from "./env_requests.js";

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
  grace: ReturnType<typeof setTimeout> | undefined;
  private readonly since = performance.now();

  constructor(
    private readonly holder: string,
    readonly id: string,
    /** Empty: the session ends with its connection. */
    readonly key: Uint8Array,
  ) {}

  /** The refusal of another session (K-4). */
  busy(): FailureInit {
    const clientName = this.holder.slice(0, 256);
    const heldMs = BigInt(Math.round(performance.now() - this.since));
    const message = `the environment is held by ${clientName || "another client"}`;
    const holder = create(SessionHolderSchema, { clientName, heldMs });
    return { code: ErrorCode.BUSY, message, holder };
  }
}
