/** Changed messages and random bytes: a peer costs the other one its connection at most (Y-8). */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { test } from "node:test";

import { RemoteEnv, RLMeshError, serveEnv } from "../src/index.js";
import { ClientSession } from "../src/client_session.js";
import { ENV_MESSAGES, parseResponse } from "../src/env_client.js";
import { PCG64 } from "../src/pcg64.js";
import { EnvSessions } from "../src/env_service.js";
import { ServerConnection } from "../src/server_session.js";
import { Count } from "./envs.js";
import { frameOf, isHello, transcripts } from "./transcripts.js";
import { helloFrame } from "./hello.js";

const ROUNDS = 8;
const STEPS = [...transcripts("sessions/env"), ...transcripts("sessions/frames")].flatMap(
  ({ steps }) => steps.filter(({ hex }) => hex !== undefined),
);

/** A frame with some of its bytes changed, left out or doubled. */
function changed(frame: Uint8Array, rng: PCG64): Uint8Array {
  const bytes = [...frame];
  for (let left = below(rng, 4); left >= 0; left--) {
    const at = below(rng, bytes.length + 1);
    const [many, byte] = [below(rng, 3), below(rng, 256)];
    bytes.splice(at, many, ...(below(rng, 2) === 1 ? [byte] : bytes.slice(at, at + many + 1)));
  }
  return Uint8Array.from(bytes);
}

function below(rng: PCG64, n: number): number {
  return Number(rng.integers(BigInt(n), 1, 8)[0]);
}

test("a server answers every changed request, and serves the next client", async () => {
  const rng = new PCG64(1n);
  const options = { token: "", gracePeriodMs: 0, validation: "warn", exposed: ["count"] } as const;
  const sessions = new EnvSessions(new Count(), options);
  const requests = STEPS.filter((step) => step.sender === "client");
  const opening = frameOf(requests.find((step) => !isHello(step)) ?? requests[0]!);
  for (let round = 0; round < ROUNDS * requests.length; round++) {
    const answers: Uint8Array[] = [];
    const peer = { send: (frame: Uint8Array) => void answers.push(frame), end: () => {} };
    const connection = new ServerConnection(peer);
    const frame = changed(frameOf(requests[round % requests.length]!), rng);
    const before = below(rng, 3);
    const frames = [helloFrame(ENV_MESSAGES.name, ""), opening].slice(0, before);
    for (const each of [...frames, frame]) {
      await sessions.receive(connection, each);
    }
    answers.forEach((answer) => parseResponse(answer));
    assert.ok(answers.length >= (before === 0 ? 0 : before) || connection.ended);
    sessions.lost(connection);
  }
});

test("a client refuses every changed answer with an error of its own, or reads it", () => {
  const rng = new PCG64(2n);
  const settings = { token: "", name: "", wait: 0, progress: true };
  const answers = STEPS.filter((step) => step.sender === "server");
  const [open] = answers;
  for (let round = 0; round < ROUNDS * answers.length; round++) {
    const session = new ClientSession("memory", settings, ENV_MESSAGES);
    const frame = changed(frameOf(answers[round % answers.length]!), rng);
    try {
      if (round % 2 === 0) {
        session.opened(frame);
      } else {
        session.opened(frameOf(open!));
        session.request({ case: "reset", value: {} });
        session.answer("reset", ENV_MESSAGES.parse(frame), () => {});
      }
    } catch (error) {
      assert.ok(error instanceof RLMeshError, String(error));
    }
  }
});

test("a server survives random bytes on its sockets", async (t) => {
  const server = await serveEnv(new Count(), "frames://127.0.0.1:0");
  t.after(() => server.close());
  const rng = new PCG64(3n);
  const port = Number(server.address.split(":").at(-1));
  for (let round = 0; round < 40; round++) {
    const socket = net.connect(port, "127.0.0.1");
    socket.on("error", () => {});
    socket.end(Buffer.from(Array.from({ length: 40 }, () => below(rng, 1 + 255 * (round % 2)))));
    socket.resume();
    await once(socket, "close");
  }
  const env = await RemoteEnv.connect(server.address);
  await env.reset();
  await env.close();
});
