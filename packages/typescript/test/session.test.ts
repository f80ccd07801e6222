/** Resumes at their edges: a call that still runs, and numbers that cannot be. */

import assert from "node:assert/strict";
import { test } from "node:test";

import { create, toBinary } from "@bufbuild/protobuf";
import { SPEC_VERSION } from "@rlmesh/proto";
import type { SessionRequest } from "@rlmesh/proto/env/v1/env_pb";
import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";

import { ClientSession } from "../src/client_session.js";
import { ENV_MESSAGES, parseResponse } from "../src/env_client.js";
import { contractOf, writeContract } from "../src/contract.js";
import { SessionRequestSchema, SessionResponseSchema } from "../src/exact.js";
import { errors } from "../src/index.js";
import { EnvSessions } from "../src/env_service.js";
import { ServerConnection } from "../src/server_session.js";
import { Count } from "./envs.js";
import { helloFrame } from "./hello.js";

const KEY = new Uint8Array(16);
const STEP = { case: "step", value: { action: { slabs: [Uint8Array.of(1, 0, 0, 0, 0, 0, 0, 0)] } } };
const CLIENT = { specVersion: SPEC_VERSION, capabilities: [1] };

function request(sequence: bigint, body: object): Uint8Array {
  const message = create(SessionRequestSchema, { sequence });
  const init = create(SessionRequestSchema, { request: body as SessionRequest["request"] });
  return toBinary(SessionRequestSchema, { ...message, request: init.request });
}

function resume(awaitedSequence: bigint): Uint8Array {
  const value = { client: CLIENT, resume: { sessionId: "s1", resumeKey: KEY, awaitedSequence } };
  return request(0n, { case: "open", value });
}

/** A connection that has sent its hello, and the answers that came on it. */
async function connected(sessions: EnvSessions) {
  const answers: Uint8Array[] = [];
  const peer = { send: (frame: Uint8Array) => void answers.push(frame), end: () => {} };
  const connection = new ServerConnection(peer);
  const send = (frame: Uint8Array) => sessions.receive(connection, frame);
  await send(helloFrame(ENV_MESSAGES.name, ""));
  return { connection, answers, send };
}

test("a request that is repeated while it runs is answered once it has run", async () => {
  let release = () => {};
  const gate = new Promise<void>((resolve) => (release = resolve));
  class Gated extends Count {
    override async step(action: bigint) {
      await gate;
      return super.step(action);
    }
  }
  const env = new Gated();
  const secrets = { id: () => "s1", key: () => KEY };
  const options = { token: "", gracePeriodMs: 30_000, validation: "off", exposed: [] } as const;
  const sessions = new EnvSessions(env, { ...options, secrets });
  const first = await connected(sessions);
  await first.send(request(0n, { case: "open", value: { client: CLIENT } }));
  await first.send(request(1n, { case: "reset", value: {} }));
  const running = first.send(request(2n, STEP));
  sessions.lost(first.connection);
  const refused = await connected(sessions);
  await refused.send(resume(0n));
  const { response } = parseResponse(refused.answers[0] as Uint8Array);
  assert.equal(response.case === "error" && response.value.code, ErrorCode.OUT_OF_SEQUENCE);
  const second = await connected(sessions);
  await second.send(resume(2n));
  const repeated = second.send(request(2n, STEP));
  assert.equal(second.answers.length, 1);
  release();
  await Promise.all([running, repeated]);
  assert.equal(second.answers.length, 2);
  assert.equal(parseResponse(second.answers[1] as Uint8Array).sequence, 2n);
  assert.equal(first.answers.length, 2);
  assert.equal(env.applied, 1);
  sessions.lost(second.connection);
  await sessions.stop();
});

test("a client closes a session whose server has received what was never sent", () => {
  const options = { token: "", name: "", wait: 0, progress: false };
  const session = new ClientSession("memory", options, ENV_MESSAGES);
  const contract = writeContract(contractOf(new Count(), []));
  const opened = (receivedSequence: bigint) => {
    const server = { specVersion: SPEC_VERSION };
    const header = { server, sessionId: "s", resumeKey: KEY, terms: {}, receivedSequence };
    const value = { header, contract };
    const response = { case: "open", value } as const;
    return toBinary(SessionResponseSchema, create(SessionResponseSchema, { response }));
  };
  session.opened(opened(0n));
  session.request({ case: "reset", value: {} });
  assert.throws(() => session.opened(opened(1n)), errors.ProtocolError);
  session.opened(opened(0n));
  assert.ok(session.unanswered);
  session.opened(opened(1n));
  assert.throws(() => session.opened(opened(2n)), errors.ProtocolError);
});
