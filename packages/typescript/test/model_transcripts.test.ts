/** The transcripts of sessions with models, against this package's server and its client. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { after, describe, test } from "node:test";

import { create, equals, fromBinary } from "@bufbuild/protobuf";
import type { SessionRequest } from "@rlmesh/proto/model/v1/model_pb";
import { PeerInfoSchema } from "@rlmesh/proto/session/v1/handshake_pb";

import { readContract } from "../src/contract.js";
import { ModelRequestSchema, ModelResponseSchema } from "../src/exact.js";
import { FrameReader } from "../src/frames.js";
import { RemoteModel, RLMeshError, SpaceCodec, type Value } from "../src/index.js";
import { ModelSessions } from "../src/model_service.js";
import { ServerConnection } from "../src/server_session.js";
import { Ramp, Sum } from "./models.js";
import { frameOf, type Step, type Transcript, transcripts } from "./transcripts.js";
import { helloFrame } from "./hello.js";

const MODELS = transcripts("sessions/model");
const KEY = Uint8Array.from({ length: 16 }, (_, at) => at);
const HELLO = helloFrame("rlmesh.proto.model.v1.ModelService", "");
const checked = { model_server: 0, model_client: 0 };

function requestOf(frame: Uint8Array): SessionRequest {
  const message = fromBinary(ModelRequestSchema, frame);
  const { request } = message;
  const header = request.case === "open" ? request.value.header : undefined;
  if (header?.client !== undefined) {
    const { specVersion, capabilities } = header.client;
    header.client = create(PeerInfoSchema, { specVersion, capabilities });
  }
  return message;
}

/** An answer without what each implementation has of its own. */
function responseOf(frame: Uint8Array) {
  const message = fromBinary(ModelResponseSchema, frame);
  const { response } = message;
  message.callUs = 0n;
  if (response.case === "error") {
    Object.assign(response.value, { message: "", expected: "", actual: "", exceptionType: "" });
  } else if (response.case === "open") {
    const { header } = response.value;
    assert.ok(header);
    header.server = create(PeerInfoSchema, { specVersion: header.server?.specVersion ?? "" });
    delete response.value.spec?.metadata;
  }
  return message;
}

function shown(...messages: unknown[]): string {
  const text = (_: string, value: unknown) => (typeof value === "bigint" ? `${value}n` : value);
  return messages.map((message) => JSON.stringify(message, text)).join("\nexpected: ");
}

describe("the server answers as the transcript does", () => {
  for (const transcript of MODELS) {
    test(`${transcript.served}: ${transcript.name}`, async () => {
      await checkServer(transcript);
      checked.model_server++;
    });
  }
});

async function checkServer({ steps, served }: Transcript): Promise<void> {
  const options = {
    token: "",
    gracePeriodMs: 30_000,
    validation: "warn",
    secrets: { id: () => "s1", key: () => KEY },
  } as const;
  const sessions = served === "sum" ? new ModelSessions(new Sum(), options) : new ModelSessions(new Ramp(), options);
  const sent = new Map<number, Uint8Array[]>();
  const connections = new Map<number, ServerConnection>();
  for (const step of steps) {
    let connection = connections.get(step.connection);
    const answers = sent.get(step.connection) ?? [];
    if (connection === undefined) {
      sent.set(step.connection, answers);
      connection = new ServerConnection({ send: (frame) => void answers.push(frame), end: () => {} });
      connections.set(step.connection, connection);
      await sessions.receive(connection, HELLO);
    }
    if (step.event === "lost") {
      answers.length = 0;
      sessions.lost(connection);
    } else if (step.event === "ended") {
      assert.ok(connection.ended);
    } else if (step.sender === "client") {
      await sessions.receive(connection, frameOf(step));
    } else {
      const [found, wanted] = [answers.shift(), frameOf(step)].map((frame) => {
        assert.ok(frame, "expected an answer");
        return responseOf(frame);
      });
      assert.ok(found && wanted);
      assert.ok(equals(ModelResponseSchema, found, wanted), shown(found, wanted));
    }
  }
  assert.ok([...sent.values()].every((answers) => answers.length === 0));
}

describe("the client asks as the transcript does", () => {
  for (const transcript of MODELS.filter(({ raw_client }) => !raw_client)) {
    test(`${transcript.served}: ${transcript.name}`, async (t) => {
      const script = new Script(transcript.steps);
      t.after(() => script.listener.close());
      script.listener.listen(0, "127.0.0.1");
      await once(script.listener, "listening");
      await script.play();
      checked.model_client++;
    });
  }
});

/** A server that answers as a transcript does, and compares what a client sends. */
class Script {
  private readonly left: Step[];
  private readonly lost = new Set<net.Socket>();
  private fault: unknown;
  readonly listener = net.createServer((socket) => this.accept(socket));

  constructor(private readonly steps: readonly Step[]) {
    this.left = [...steps];
  }

  private accept(socket: net.Socket): void {
    const reader = new FrameReader();
    let greeted = false;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      for (const frame of reader.read(chunk)) {
        if (greeted && !this.lost.has(socket)) {
          this.receive(socket, frame);
        }
        greeted = true;
      }
    });
  }

  private receive(socket: net.Socket, frame: Uint8Array): void {
    const step = this.left.shift();
    try {
      assert.equal(step?.sender, "client");
      const [found, wanted] = [requestOf(frame), requestOf(frameOf(step as Step))];
      assert.ok(equals(ModelRequestSchema, found, wanted), shown(found, wanted));
    } catch (error) {
      this.fault ??= error;
      socket.destroy();
      return;
    }
    for (let next = this.left[0]; next && next.sender !== "client"; next = this.left[0]) {
      this.left.shift();
      if (next.event === undefined) {
        const answer = Buffer.from(frameOf(next));
        const length = Buffer.alloc(4);
        length.writeUInt32LE(answer.length);
        socket.write(Buffer.concat([length, answer]));
      } else {
        this.lost.add(socket);
        socket.destroySoon();
      }
    }
  }

  /** Have a client make the requests of the transcript, each once. */
  async play(): Promise<void> {
    const requests = this.steps
      .filter(({ sender }) => sender === "client")
      .map((step) => fromBinary(ModelRequestSchema, frameOf(step)));
    const [opened] = requests;
    assert.ok(opened?.request.case === "open" && opened.request.value.contract);
    const contract = readContract(opened.request.value.contract);
    const { port } = this.listener.address() as net.AddressInfo;
    const model = await RemoteModel.connect(`frames://127.0.0.1:${port}`, contract);
    const observations = new SpaceCodec(contract.observationSpace);
    const asked = new Map(requests.map((request) => [request.sequence, request.request]));
    asked.delete(0n);
    for (const request of asked.values()) {
      try {
        await ask(model, observations, new SpaceCodec(contract.actionSpace), request);
      } catch (error) {
        assert.ok(error instanceof RLMeshError, String(error));
      }
    }
    if (this.fault !== undefined) {
      throw this.fault;
    }
    assert.deepEqual(this.left, []);
    assert.ok(model.closed);
  }
}

/** Call the method that sends a request. */
async function ask(
  model: RemoteModel,
  observations: SpaceCodec,
  actions: SpaceCodec,
  request: SessionRequest["request"],
): Promise<void> {
  switch (request.case) {
    case "startEpisode": {
      const { lane, episodeId, seed } = request.value;
      await model.startEpisode({ lane, episodeId, ...(seed !== undefined && { seed }) });
      break;
    }
    case "predict": {
      const { form, lanes, observation, steps, observed, prefix, maxChunkLength } = request.value;
      const { prefixCounts, committedCounts } = request.value;
      const read = observations.decodeBatch(observation?.slabs ?? [], lanes.length);
      const [past, future] = [split(observations, observed, []), split(actions, prefix, prefixCounts)];
      const each = lanes.map((_, at) => ({
        ...(steps.length > 0 && { step: Number(steps[at]) }),
        ...(past.length > 0 && { observed: past[at] ?? [] }),
        ...(future.length > 0 && { prefix: future[at] ?? [], committed: committedCounts[at] ?? 0 }),
      }));
      const maxLength = maxChunkLength > 0 ? { maxLength: maxChunkLength } : {};
      const one = read[0] as Value;
      await [
        () => model.predict(one, lanes[0], each[0]),
        () => model.predictBatch(read, lanes),
        () => model.predictChunk(one, lanes[0], { ...each[0], ...maxLength }),
        () => model.predictChunks(read, lanes, { each: future.length > 0 ? each : [], ...maxLength }),
      ][form - 1]?.();
      break;
    }
    case "endEpisode":
      await model.endEpisode(request.value.lane);
      break;
    case "close":
      await model.close();
      break;
    default:
      assert.fail(`the test does not ask for ${request.case}`);
  }
}

/** The values of a batch, by lanes; without counts all are of the first one. */
function split(
  codec: SpaceCodec,
  message: { readonly slabs: Uint8Array[]; readonly batchSize?: number | undefined } | undefined,
  counts: readonly number[],
): Value[][] {
  if (message === undefined) {
    return [];
  }
  const all = codec.decodeBatch(message.slabs, message.batchSize ?? 0);
  let at = 0;
  return counts.length === 0 ? [all] : counts.map((count) => all.slice(at, (at += count)));
}

// tests/conformance/test_node_vectors.py compares these with the transcripts that it counts itself.
after(() => Object.entries(checked).forEach(([side, n]) => console.log(`checked ${side}: ${n}`)));
