/** Reads the transcripts of spec/vectors/sessions; spec/vectors/README.md has their format. */

import { create, fromBinary } from "@bufbuild/protobuf";
import type { EnvContract } from "@rlmesh/proto/env/v1/contract_pb";
import type { SessionRequest, SessionResponse } from "@rlmesh/proto/env/v1/env_pb";
import { PeerInfoSchema } from "@rlmesh/proto/session/v1/handshake_pb";
import type { PeerInfo } from "@rlmesh/proto/session/v1/handshake_pb";
import type * as values from "@rlmesh/proto/spaces/v1/value_pb";

import { SessionRequestSchema, SessionResponseSchema } from "../src/exact.js";
import { cases, type SessionFolders } from "./vectors.js";

export interface Transcript {
  name: string;
  served: string;
  raw_client: boolean;
  steps: Step[];
}

export interface Step {
  sender?: "client" | "server";
  event?: "lost" | "ended" | "stopped";
  connection: number;
  type?: string;
  hex?: string;
}

/** The transcripts of a folder. */
export function transcripts(folder: keyof SessionFolders): Transcript[] {
  return cases(folder);
}

/** The bytes of a message. */
export function frameOf({ hex = "" }: Step): Uint8Array {
  return Uint8Array.from(Buffer.from(hex, "hex"));
}

/** Whether a step is a FramesHello. */
export function isHello({ type = "" }: Step): boolean {
  return type.endsWith(".FramesHello");
}

/** A request without what each implementation has of its own. */
export function plainRequest(frame: Uint8Array): SessionRequest {
  const message = fromBinary(SessionRequestSchema, frame);
  const { request } = message;
  if ((request.case === "open" || request.case === "describe") && request.value.client) {
    request.value.client = plainPeer(request.value.client);
  }
  return message;
}

/** An answer without what each implementation has of its own. */
export function plainResponse(frame: Uint8Array): SessionResponse {
  const message = fromBinary(SessionResponseSchema, frame);
  const { response } = message;
  message.callUs = 0n;
  switch (response.case) {
    case "error":
      Object.assign(response.value, { message: "", expected: "", actual: "", exceptionType: "" });
      delete response.value.holder;
      break;
    case "open":
      withoutSelf(response.value, response.value.header);
      break;
    case "describe":
      withoutSelf(response.value, response.value);
      break;
    case "reset":
    case "step":
      withoutEmptyInfo(response.value);
      break;
    case "stepMany":
      response.value.steps.forEach(withoutEmptyInfo);
  }
  return message;
}

/** Leave out what a server says of itself, and of its environment for people. */
function withoutSelf(
  { contract }: { contract?: EnvContract | undefined },
  header: { server?: PeerInfo | undefined } | undefined,
): void {
  if (header !== undefined) {
    header.server = create(PeerInfoSchema, { specVersion: header.server?.specVersion ?? "" });
  }
  delete contract?.metadata;
}

function withoutEmptyInfo(answer: { info?: values.DynamicMap | undefined }): void {
  if (answer.info?.entries.length === 0) {
    delete answer.info;
  }
}

function plainPeer({ specVersion, capabilities }: PeerInfo): PeerInfo {
  return create(PeerInfoSchema, { specVersion, capabilities });
}
