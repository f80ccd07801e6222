/** Clients of models with servers of models, both of this package. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { describe, test, type TestContext } from "node:test";

import { contractOf } from "../src/contract.js";
import { errors, type Model, RemoteModel, serveEnv, serveModel, SpaceCodec } from "../src/index.js";
import type { EnvContract, Episode, FramesServer, ServeModelOptions, Value } from "../src/index.js";
import { Cutter } from "./cuts.js";
import { Count } from "./envs.js";
import { Ramp, Sum } from "./models.js";
import { helloFrame } from "./hello.js";

const CONTRACT: EnvContract = contractOf(new Count(), []);

async function served<State>(
  t: TestContext,
  model: Model<State>,
  options: ServeModelOptions = {},
): Promise<FramesServer> {
  const server = await serveModel(model, "frames://127.0.0.1:0", options);
  t.after(() => server.close());
  return server;
}

async function connected(t: TestContext, { address }: FramesServer, token = ""): Promise<RemoteModel> {
  const model = await RemoteModel.connect(address, CONTRACT, { token });
  t.after(() => model.close());
  return model;
}

describe("a session with a model", () => {
  test("keeps the state of each lane and session apart", async (t) => {
    const server = await served(t, new Sum());
    const [one, other] = [await connected(t, server), await connected(t, server)];
    assert.deepEqual([one.spec.id, one.spec.stateful, one.spec.forms], ["sum", true, ["single", "batch"]]);
    for (const model of [one, other]) {
      await model.startEpisode();
      await model.startEpisode({ lane: 7, seed: 1, episodeId: "e", instruction: "add" });
    }
    assert.equal((await one.predict(1n)).action, 1n);
    assert.equal((await one.predict(1n)).action, 2n);
    assert.equal((await other.predict(1n)).action, 1n);
    assert.deepEqual((await one.predictBatch([2n, 2n], [7, 0])).actions, [2n, 1n]);
    assert.equal((await one.predict(0n, 0, { step: 9, observed: [1n, 1n] })).action, 0n);
    await one.startEpisode();
    assert.equal((await one.predict(1n)).action, 1n);
    await one.endEpisode();
    await assert.rejects(one.predict(1n), errors.ProtocolError);
    assert.equal((await one.predict(1n, 7)).action, 0n);
  });

  test("predicts chunks of one length, at most the wanted one", async (t) => {
    const model = await connected(t, await served(t, new Ramp()));
    await model.startEpisode();
    await model.startEpisode({ lane: 1 });
    assert.equal(model.spec.chunkLength, 3);
    assert.deepEqual((await model.predictChunk(1n)).actions, [1n, 2n, 0n]);
    assert.deepEqual((await model.predictChunk(1n, 0, { maxLength: 2 })).actions, [1n, 2n]);
    assert.deepEqual((await model.predictChunks([0n, 1n], [1, 0], { maxLength: 1 })).actions, [0n, 1n]);
    const prefix = { prefix: [2n, 2n], committed: 1 };
    assert.deepEqual((await model.predictChunk(0n, 1, prefix)).actions, [2n, 1n, 2n]);
  });

  test("counts a step for each action that it has returned", async (t) => {
    const seen: number[] = [];
    const predict = (_: Value, { step }: Episode): Value => {
      seen.push(step);
      return 0n;
    };
    const predictChunk = (observation: Value, episode: Episode) => {
      return [predict(observation, episode), 1n];
    };
    const model = await connected(t, await served(t, { id: "steps", predict, predictChunk }));
    await model.startEpisode();
    await model.predict(0n);
    await model.predictChunk(0n);
    await model.predict(0n);
    await model.predict(0n, 0, { step: 20 });
    await model.predict(0n);
    assert.deepEqual(seen, [0, 1, 3, 20, 21]);
  });

  test("survives lost connections; each prediction is made once", async (t) => {
    const sum = new Sum();
    const server = await served(t, sum);
    const cutter = await Cutter.before(Number(server.address.split(":").at(-1)));
    t.after(() => cutter.close());
    const model = await RemoteModel.connect(cutter.address, CONTRACT);
    await model.startEpisode();
    let total = 0n;
    for (let at = 0; at < 60; at++) {
      total += BigInt(at);
      cutter.cutAfter(1 + (at % 30));
      assert.equal((await model.predict(BigInt(at))).action, total % 3n);
    }
    assert.equal(sum.predicted, 60);
    assert.ok(cutter.cuts >= 5, `${cutter.cuts} cuts`);
    await model.close();
  });
});

describe("refusals", () => {
  test("of other services and tokens", async (t) => {
    const server = await served(t, new Sum(), { token: "s3cret" });
    await assert.rejects(RemoteModel.connect(server.address, CONTRACT), errors.AuthenticationError);
    const env = await serveEnv(new Count(), "frames://127.0.0.1:0");
    t.after(() => env.close());
    await assert.rejects(RemoteModel.connect(env.address, CONTRACT), errors.WrongServiceError);
    await connected(t, server, "s3cret");
  });

  test("of an environment that the model was not built for", async (t) => {
    const { observationSpace } = CONTRACT;
    const predict = () => 0n;
    const fits = await served(t, { id: "m", observationSpace, predict });
    await connected(t, fits);
    const other = await served(t, { id: "m", actionSpace: observationSpace, predict });
    await assert.rejects(RemoteModel.connect(other.address, CONTRACT), (error) => {
      assert.ok(error instanceof errors.UnsupportedError && error.sessionClosed);
      assert.equal(error.path, "action_space");
      return true;
    });
  });

  test("of values, before they are sent; the session goes on", async (t) => {
    const model = await connected(t, await served(t, new Sum()));
    await model.startEpisode();
    await assert.rejects(model.predict(100n), errors.InvalidValueError);
    await assert.rejects(model.predictChunk(1n), /form/);
    await assert.rejects(model.predictBatch([1n], [0, 1]), errors.InvalidValueError);
    await assert.rejects(model.predict(1n, 0, { step: -1 }), errors.InvalidValueError);
    assert.equal((await model.predict(1n)).action, 1n);
  });

  test("of what it has not listed, by the server too", async (t) => {
    const server = await served(t, { id: "plain", predict: () => 0n });
    const model = await connected(t, server);
    await model.startEpisode();
    await assert.rejects(model.predict(0n, 0, { step: 1, observed: [0n] }), /observed/);
    const codec = new SpaceCodec(CONTRACT.observationSpace);
    const [observation, observed] = [codec.write(0n), codec.writeBatch([0n])];
    const more = { steps: [1n], observedCounts: [1], observed };
    const value = { form: 1, lanes: [0], observation, ...more };
    const asked = model["exchange"]("predict", { case: "predict", value });
    await assert.rejects(asked, errors.UnsupportedError);
    assert.equal((await model.predict(0n)).action, 0n);
  });

  test("of results, and what the model throws; the episode goes on", async (t) => {
    const results: unknown[] = [3n, new RangeError("far"), 1n];
    const predict = (): bigint => {
      const next = results.shift();
      if (next instanceof Error) {
        throw next;
      }
      return next as bigint;
    };
    const model = await connected(t, await served(t, { id: "bad", predict }));
    await model.startEpisode();
    await assert.rejects(model.predict(1n), errors.ModelError);
    await assert.rejects(model.predict(1n), /predict\(\) threw RangeError: far/);
    assert.equal((await model.predict(1n)).action, 1n);
  });
});

test("first requests of strangers have at most 512 MiB together", async (t) => {
  const server = await served(t, new Sum());
  const port = Number(server.address.split(":").at(-1));
  const hello = helloFrame("rlmesh.proto.model.v1.ModelService", "");
  const largest = Buffer.from(Uint32Array.of(268_435_456, 0).buffer);
  const begun = Buffer.concat([Buffer.from(Uint32Array.of(hello.length).buffer), hello, largest]);
  const sockets = [1, 2, 3].map(() => net.connect(port, "127.0.0.1"));
  t.after(() => sockets.forEach((socket) => socket.destroy()));
  const ended = sockets.map((socket) => once(socket.on("error", () => {}).resume(), "close"));
  sockets.forEach((socket) => socket.write(begun));
  const start = performance.now();
  await Promise.race(ended);
  assert.ok(performance.now() - start < 5000);
  const model = await connected(t, server);
  await model.startEpisode();
  assert.equal((await model.predict(1n)).action, 1n);
});
