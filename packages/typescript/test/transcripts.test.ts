/** The transcripts of spec/vectors/sessions, against this package's server and its client. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, describe, test } from "node:test";

import { equals, fromBinary } from "@bufbuild/protobuf";
import { Capability } from "@rlmesh/proto/session/v1/handshake_pb";

import { readDynamicMap } from "../src/dynamic_reader.js";
import { describeFrame, ENV_MESSAGES, readDescription } from "../src/env_client.js";
import { SessionRequestSchema, SessionResponseSchema } from "../src/exact.js";
import { FrameReader } from "../src/frames.js";
import { RemoteEnv, RemoteVectorEnv, RLMeshError, SpaceCodec } from "../src/index.js";
import { EnvSessions } from "../src/env_service.js";
import { ServerConnection } from "../src/server_session.js";
import { Count, Drawn } from "./envs.js";
import { frameOf, isHello, plainRequest, plainResponse, type Step } from "./transcripts.js";
import { type Transcript, transcripts } from "./transcripts.js";
import { helloFrame } from "./hello.js";

const ENV = transcripts("sessions/env");
const FRAMES = transcripts("sessions/frames");
const KEY = Uint8Array.from({ length: 16 }, (_, at) => at);
const TOKEN = "s3cret";
const HELLO = helloFrame(ENV_MESSAGES.name, TOKEN);
const checked = { server: 0, client: 0 };

/** The first answer that opens or describes a session. */
function openedOf({ steps }: Transcript) {
  for (const step of steps.filter(({ sender }) => sender === "server")) {
    const { response } = fromBinary(SessionResponseSchema, frameOf(step));
    if (response.case === "open" || response.case === "describe") {
      return response.case === "open" ? response.value.header : response.value;
    }
  }
  return undefined;
}

function needs(transcript: Transcript, capability: Capability): boolean {
  return openedOf(transcript)?.server?.capabilities.includes(capability) ?? false;
}

/** One connection to the server that is tested, with what it has sent and nothing has read. */
class Client {
  readonly sent: Uint8Array[] = [];
  ended = false;
  readonly connection = new ServerConnection({
    send: (frame) => void this.sent.push(frame),
    end: () => {
      this.ended = true;
    },
  });
}

describe("the server answers as the transcript does", () => {
  // Views and vectors are not offered.
  const offered = [...ENV, ...FRAMES].filter((transcript) => {
    return transcript.served !== "lanes" && !needs(transcript, Capability.OBSERVATION_VIEW);
  });
  for (const transcript of offered) {
    test(`${transcript.served}: ${transcript.name}`, async () => {
      await checkServer(transcript);
      checked.server++;
    });
  }
});

async function checkServer({ steps, served }: Transcript): Promise<void> {
  const sessions = new EnvSessions(served === "drawn" ? new Drawn() : new Count(), {
    token: TOKEN,
    gracePeriodMs: 30_000,
    validation: "warn",
    exposed: served === "drawn" ? [] : ["count"],
    secrets: { id: () => "s1", key: () => KEY },
  });
  const clients = new Map<number, Client>();
  for (const step of steps) {
    if (step.event === "stopped") {
      await sessions.stop();
      continue;
    }
    let client = clients.get(step.connection);
    if (client === undefined) {
      client = new Client();
      clients.set(step.connection, client);
      if (!isHello(steps[0] as Step)) {
        await sessions.receive(client.connection, HELLO);
      }
    }
    if (step.event === "lost") {
      client.sent.length = 0;
      sessions.lost(client.connection);
    } else if (step.event === "ended") {
      assert.ok(client.ended && client.sent.length === 0);
      sessions.lost(client.connection);
    } else if (step.sender === "client") {
      await sessions.receive(client.connection, frameOf(step));
    } else {
      const [found, wanted] = [client.sent.shift(), frameOf(step)].map((frame) => {
        assert.ok(frame, "expected an answer");
        return plainResponse(frame);
      });
      assert.ok(found && wanted && equals(SessionResponseSchema, found, wanted), shown(found, wanted));
    }
  }
  assert.ok([...clients.values()].every(({ sent }) => sent.length === 0));
}

function shown(...messages: unknown[]): string {
  const text = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}n` : value);
  return messages.map((message) => JSON.stringify(message, text)).join("\nexpected: ");
}

/** A server that answers as a transcript does, and compares what a client sends. */
class Script {
  private readonly steps: Step[];
  private connections = 0;
  private fault: unknown;
  private readonly lost = new Set<number>();
  private readonly sockets = new Map<number, net.Socket>();
  readonly listener = net.createServer((socket) => this.accept(socket, ++this.connections));

  constructor({ steps }: Transcript) {
    this.steps = steps.filter((step) => !isHello(step));
  }

  private accept(socket: net.Socket, number: number): void {
    const reader = new FrameReader();
    let greeted = false;
    this.sockets.set(number, socket);
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      for (const frame of reader.read(chunk)) {
        if (greeted) {
          this.receive(number, frame);
        } else {
          greeted = true;
          assert.deepEqual(Buffer.from(frame), Buffer.from(HELLO));
        }
      }
    });
  }

  private receive(number: number, frame: Uint8Array): void {
    if (this.lost.has(number)) {
      return;
    }
    const step = this.steps.shift();
    try {
      assert.equal(step?.sender, "client");
      assert.equal(step?.connection, number);
      const [found, wanted] = [plainRequest(frame), plainRequest(frameOf(step as Step))];
      assert.ok(equals(SessionRequestSchema, found, wanted), shown(found, wanted));
    } catch (error) {
      this.fault ??= error;
      this.sockets.get(number)?.destroy();
      return;
    }
    this.answer();
  }

  /** Send what the server sends now, and end what ends. */
  private answer(): void {
    for (let step = this.steps[0]; step && step.sender !== "client"; step = this.steps[0]) {
      this.steps.shift();
      const socket = this.sockets.get(step.connection);
      if (step.event === "lost") {
        this.lost.add(step.connection);
        socket?.destroySoon();
        continue;
      }
      if (step.event !== undefined) {
        socket?.end();
        continue;
      }
      const frame = Buffer.from(frameOf(step));
      const length = Buffer.alloc(4);
      length.writeUInt32LE(frame.length);
      socket?.write(Buffer.concat([length, frame]));
    }
  }

  /** Check that everything has been sent. */
  check(): void {
    if (this.fault !== undefined) {
      throw this.fault;
    }
    assert.deepEqual(this.steps, []);
  }
}

describe("the client asks as the transcript does", () => {
  const conforming = [...ENV, ...FRAMES].filter(({ raw_client, name }) => {
    return !raw_client && name !== "a description";
  });
  for (const transcript of conforming) {
    test(`${transcript.served}: ${transcript.name}`, async () => {
      await checkClient(transcript);
      checked.client++;
    });
  }
  test("a description", () => {
    const found = FRAMES.find(({ name }) => name === "a description");
    const [, asked, answered] = found?.steps as [Step, Step, Step];
    const [ours, theirs] = [plainRequest(describeFrame("")), plainRequest(frameOf(asked))];
    assert.ok(equals(SessionRequestSchema, ours, theirs), shown(ours, theirs));
    assert.equal(readDescription(frameOf(answered), "memory").id, "Count");
    checked.client++;
  });
});

async function checkClient(transcript: Transcript): Promise<void> {
  const script = new Script(transcript);
  script.listener.listen(0, "127.0.0.1");
  await once(script.listener, "listening");
  const { port } = script.listener.address() as net.AddressInfo;
  const requests = transcript.steps
    .filter((step) => step.sender === "client" && !isHello(step))
    .map((step) => fromBinary(SessionRequestSchema, frameOf(step)));
  const [first] = requests;
  const reports = first?.request.case === "open" ? first.request.value.client?.capabilities : [];
  let count = 0;
  const onProgress = reports?.includes(Capability.PROGRESS) ? { onProgress: () => void count++ } : {};
  const kind = transcript.served === "lanes" ? RemoteVectorEnv : RemoteEnv;
  const env = await kind.connect(`frames://127.0.0.1:${port}`, { token: TOKEN, ...onProgress });
  const asked = new Map(requests.map((request) => [request.sequence, request.request]));
  asked.delete(0n);
  for (const request of asked.values()) {
    try {
      await ask(env, request);
    } catch (error) {
      assert.ok(error instanceof RLMeshError, String(error));
    }
  }
  assert.ok(env.closed);
  script.listener.close();
  script.check();
  assert.equal(count, onProgress.onProgress ? 1 : 0);
}

type Requested = ReturnType<typeof plainRequest>["request"];

/** Call the method that sends a request. */
async function ask(env: RemoteEnv | RemoteVectorEnv, request: Requested): Promise<void> {
  const codec = new SpaceCodec(env.contract.actionSpace);
  switch (request.case) {
    case "reset": {
      const { seed, options, laneSeeds, laneMask } = request.value;
      const common = {
        ...(seed !== undefined && { seed }),
        ...(options && { options: readDynamicMap(options, "options") }),
      };
      const present = laneSeeds?.present ?? new Uint8Array();
      const seeds = laneSeeds?.seeds.map((one, lane) => (present[lane] === 0 ? null : one));
      const mask = laneMask.length > 0 ? { mask: Array.from(laneMask, Boolean) } : {};
      await env.reset({ ...common, ...(seeds && { seeds }), ...mask } as object);
      break;
    }
    case "step": {
      if (request.value.action?.slabs.some((slab) => slab[0] === 3)) {
        // An action that no client sends: it is refused here first (F-5).
        await env["ask"]("step", request);
        break;
      }
      const read = codec.decodeBatch(request.value.action?.slabs ?? [], env.contract.numEnvs);
      await (env instanceof RemoteEnv ? env.step(read[0] as never) : env.step(read));
      break;
    }
    case "stepMany": {
      const { actions, count, allObservations } = request.value;
      const read = codec.decodeBatch(actions?.slabs ?? [], count);
      await (env as RemoteEnv).stepMany(read, allObservations);
      break;
    }
    case "render":
      await env.render();
      break;
    case "getAttribute":
      await env.getAttribute(request.value.name);
      break;
    case "close":
      await env.close();
      break;
    default:
      assert.fail(`the test does not ask for ${request.case}`);
  }
}

// tests/conformance/test_node_vectors.py compares these with the transcripts that it counts itself.
after(() => Object.entries(checked).forEach(([side, n]) => console.log(`checked ${side}: ${n}`)));
