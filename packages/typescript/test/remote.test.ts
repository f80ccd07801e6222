/** Clients of this package with servers of this package. */

import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdtempSync, rmSync, statSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, test, type TestContext } from "node:test";

import { create, toBinary } from "@bufbuild/protobuf";
import { SPEC_VERSION } from "@rlmesh/proto";

import { ClientSession } from "../src/client_session.js";
import { ENV_MESSAGES } from "../src/env_client.js";
import { SessionResponseSchema } from "../src/exact.js";
import { CALLABLE, CodecError, errors, RemoteEnv, RemoteVectorEnv } from "../src/index.js";
import { type Env, type FramesServer, serveEnv, type ServeOptions, type Tensor } from "../src/index.js";
import { Cutter } from "./cuts.js";
import { Count, Drawn, Slow } from "./envs.js";
import { plainRequest } from "./transcripts.js";

const ANY = "frames://127.0.0.1:0";

async function served(
  t: TestContext,
  env: Env = new Count(),
  options: ServeOptions = {},
  address = ANY,
): Promise<FramesServer> {
  const server = await serveEnv(env, address, options);
  t.after(() => server.close());
  return server;
}

function portOf(server: FramesServer): number {
  return Number(server.address.split(":").at(-1));
}

describe("a session", () => {
  const folder = mkdtempSync(path.join(tmpdir(), "rlmesh-"));
  after(() => rmSync(folder, { recursive: true }));
  for (const address of [ANY, `frames+unix://${folder}/env.sock`]) {
    test(`over ${address.split("://")[0]}`, async (t) => {
      const server = await served(t, new Count(), {}, address);
      if (address.includes("unix")) {
        assert.equal(statSync(path.join(folder, "env.sock")).mode & 0o777, 0o600);
        await assert.rejects(serveEnv(new Count(), address), errors.AddressError);
      }
      const env = await RemoteEnv.connect(server.address);
      assert.equal(env.contract.id, "Count");
      const { info } = await env.reset({ seed: 2n ** 64n - 1n });
      assert.deepEqual(info.entries[0]?.[1], { kind: "int", value: 2n ** 64n - 1n });
      assert.deepEqual(await env.step(1n), {
        observation: 1n,
        reward: 1,
        terminated: false,
        truncated: false,
        info: { kind: "map", entries: [] },
        simTime: null,
      });
      const steps = await env.stepMany([1n, 1n, 1n]);
      assert.deepEqual(
        steps.map(({ observation, terminated }) => [observation, terminated]),
        [[null, false], [3n, true]],
      );
      await env.close();
      await env.close();
      await assert.rejects(env.step(1n), errors.ClosedError);
      const again = await RemoteEnv.connect(server.address);
      await again.close();
    });
  }
});

describe("refusals", () => {
  test("of a client without the token", async (t) => {
    const { address } = await served(t, new Count(), { token: "s3cret" });
    await assert.rejects(RemoteEnv.connect(address), errors.AuthenticationError);
    await assert.rejects(RemoteEnv.connect(address, { token: "other" }), errors.AuthenticationError);
    await (await RemoteEnv.connect(address, { token: "s3cret" })).close();
  });

  test("of a second client, and of a client of vectors", async (t) => {
    const { address } = await served(t);
    await assert.rejects(RemoteVectorEnv.connect(address), /expected a vector: use RemoteEnv/);
    const env = await RemoteEnv.connect(address, { name: "first" });
    await assert.rejects(RemoteEnv.connect(address), (error) => {
      assert.ok(error instanceof errors.BusyError && error.sessionClosed);
      assert.equal(error.holder, "first");
      return true;
    });
    await env.close();
  });

  test("of requests; the session goes on", async (t) => {
    const { address } = await served(t, new Count(), { exposed: ["count"] });
    const env = await RemoteEnv.connect(address);
    await env.reset();
    await assert.rejects(env.step(3n), (error) => {
      assert.ok(error instanceof errors.InvalidValueError);
      assert.deepEqual([error.path, error.actual], ["action", "3"]);
      return true;
    });
    await assert.rejects(env.step(2n), (error) => {
      assert.ok(error instanceof errors.EnvError && !error.sessionClosed);
      assert.equal(error.exceptionType, "RangeError");
      assert.match(error.message, /step\(\) threw RangeError: 2 is no step/);
      return true;
    });
    await assert.rejects(env.stepMany([1n, 2n]), (error) => {
      assert.ok(error instanceof errors.EnvError);
      assert.equal(error.steps.length, 1);
      return true;
    });
    await assert.rejects(env.render(), errors.UnsupportedError);
    await assert.rejects(env.getAttribute("applied"), (error) => {
      assert.ok(error instanceof errors.NotExposedError);
      assert.deepEqual(error.choices, ["count"]);
      return true;
    });
    assert.equal((await env.step(1n)).observation, 2n);
    await env.close();
  });

  test("of a port without a server", async (t) => {
    const server = await serveEnv(new Count(), ANY);
    await server.close();
    await assert.rejects(RemoteEnv.connect(server.address), errors.ConnectError);
    t.diagnostic("closed");
  });

  test("of a contract that breaks a rule, before the first request", async (t) => {
    const listener = net.createServer((socket) => {
      socket.once("data", () => {
        const space = { kind: { case: "discrete", value: { dtype: 5, n: 0n } } } as const;
        const contract = { id: "E", numEnvs: 1, observationSpace: space, actionSpace: space };
        const server = { specVersion: SPEC_VERSION };
        const value = { header: { server, sessionId: "s", terms: {} }, contract };
        const frame = toBinary(
          SessionResponseSchema,
          create(SessionResponseSchema, { response: { case: "open", value } }),
        );
        socket.write(Buffer.concat([Buffer.from(Uint32Array.of(frame.length).buffer), frame]));
      });
    }).listen(0, "127.0.0.1");
    t.after(() => listener.close());
    await once(listener, "listening");
    const { port } = listener.address() as net.AddressInfo;
    await assert.rejects(RemoteEnv.connect(`frames://127.0.0.1:${port}`), (error) => {
      assert.ok(error instanceof CodecError);
      assert.equal(error.path, "observation_space");
      return true;
    });
  });

  test("of results that cannot be sent; the session goes on", async (t) => {
    const flags = { terminated: false, truncated: false };
    const far = { observation: 100n, reward: 1, ...flags };
    const results: unknown[] = [{ observation: 1n, reward: "much", ...flags }, undefined, far];
    const bad = Object.assign(new Count(), { step: () => results.shift() }) as unknown as Env;
    const env = await RemoteEnv.connect((await served(t, bad)).address);
    for (const code of [/expected a number as reward/, /undefined/, /observation: expected a bigint of 0 to 99/]) {
      await assert.rejects(env.step(0n), code);
    }
    await env.reset();
    await env.close();
  });

  test("of answers that are none, after which the client is closed", async (t) => {
    const cutter = await Cutter.before(portOf(await served(t)));
    t.after(() => cutter.close());
    const env = await RemoteEnv.connect(cutter.address);
    cutter.replaceBy(Uint8Array.of(3, 0, 0, 0, 255, 255, 255));
    await assert.rejects(env.reset(), CodecError);
    await assert.rejects(env.reset(), CodecError);
    assert.ok(env.closed);
  });

  test("of what comes while nothing is asked for", async (t) => {
    for (const unasked of [[3, 0, 0, 0, 255, 255, 255], [255, 255, 255, 255], [2, 0, 0, 0, 8, 9]]) {
      const sockets: net.Socket[] = [];
      const server = await served(t);
      const proxy = net.createServer((socket) => {
        sockets.push(socket);
        const there = net.connect(portOf(server), "127.0.0.1");
        socket.pipe(there).pipe(socket);
        [socket, there].forEach((end) => end.on("error", () => {}));
      });
      proxy.listen(0, "127.0.0.1");
      t.after(() => proxy.close());
      await once(proxy, "listening");
      const { port } = proxy.address() as net.AddressInfo;
      const env = await RemoteEnv.connect(`frames://127.0.0.1:${port}`);
      await env.reset();
      sockets[0]?.end(Uint8Array.from(unasked));
      await once(sockets[0] as net.Socket, "close");
      assert.equal((await env.step(1n)).observation, 1n);
      await env.close();
    }
  });

  test("of what is no hello, or too long a one", async (t) => {
    const port = portOf(await served(t));
    for (const bytes of [Buffer.from("GET / HTTP/1.1\r\n\r\n"), Buffer.from([1, 0, 0, 0, 255])]) {
      const socket = net.connect(port, "127.0.0.1");
      socket.write(bytes);
      const [answer] = (await once(socket, "data")) as [Buffer];
      assert.match(answer.toString("latin1"), /FramesHello|at most 8192 bytes/);
      await once(socket, "close");
    }
  });
});

test("a first request may be longer than a hello, in one write with it", async (t) => {
  const env = await RemoteEnv.connect((await served(t)).address, { name: "n".repeat(20_000) });
  await env.reset();
  await env.close();
  await assert.rejects(RemoteEnv.connect((await served(t)).address, { name: "n".repeat(70_000) }));
});

test("attributes, methods and rendering", async (t) => {
  const { address } = await served(t, new Count(), { exposed: ["count", "plus"] });
  const env = await RemoteEnv.connect(address);
  await env.setAttribute("count", { kind: "int", value: 40n });
  assert.deepEqual(await env.getAttribute("count"), { kind: "int", value: 40n });
  assert.equal(await env.getAttribute("plus"), CALLABLE);
  const sum = await env.call("plus", [{ kind: "int", value: 2n }]);
  assert.deepEqual(sum, { kind: "int", value: 42n });
  await env.close();

  const drawn = await RemoteEnv.connect((await served(t, new Drawn())).address, {
    onProgress: (fraction, message) => {
      reports.push([fraction, message]);
      throw new RangeError("a fault of the callback's");
    },
  });
  const reports: unknown[] = [];
  await drawn.reset();
  assert.deepEqual(reports, [[0.5, "counting"]]);
  assert.deepEqual(await drawn.render(), { kind: "string", value: "count: 0" });
  await drawn.close();
});

test("a client waits in a queue once, when it opens its session", async (t) => {
  const options = { token: "", name: "waits", wait: 1.5, progress: false };
  const session = new ClientSession("memory", options, ENV_MESSAGES);
  const opened = plainRequest(session.open()).request;
  assert.equal(opened.case === "open" && opened.value.waitMs, 1500);
  const { address } = await served(t);
  await (await RemoteEnv.connect(address, { wait: 1.5 })).close();
});

test("an asynchronous environment, and a call while another one runs", async (t) => {
  const env = await RemoteEnv.connect((await served(t, new Slow())).address);
  await env.reset();
  const running = env.step(1n);
  await assert.rejects(env.step(1n), errors.ConcurrentCallError);
  assert.equal((await running).observation, 1n);
  await env.close();
});

test("an observation outside its bounds is reported once, or refused", async (t) => {
  const data = Float32Array.of(2);
  const box = (high: number) => ({ form: "uniform", elements: Float32Array.of(high) }) as const;
  const far = Object.assign(new Count(), {
    observationSpace: { family: "box", dtype: "float32", shape: [1], low: box(0), high: box(1) },
    reset: () => ({ observation: { dtype: "float32", shape: [1], data } }),
  }) as unknown as Env;
  const env = await RemoteEnv.connect((await served(t, far)).address);
  const [first, second] = [await env.reset(), await env.reset()];
  assert.deepEqual(first.info.entries[0]?.[0], { kind: "string", value: "rlmesh.validation" });
  assert.equal(second.info.entries.length, 0);
  await env.close();
  const strict = await RemoteEnv.connect((await served(t, far, { validation: "strict" })).address);
  await assert.rejects(strict.reset(), errors.EnvError);
  await strict.close();
});

test("a large image is not copied out of its frame", async (t) => {
  const bound = (value: number) => ({ form: "uniform", elements: Uint8Array.of(value) }) as const;
  const shape = [256, 256, 3];
  const data = Uint8Array.from({ length: 196_608 }, (_, at) => at % 251);
  const camera = Object.assign(new Count(), {
    observationSpace: { family: "box", dtype: "uint8", shape, low: bound(0), high: bound(255) },
    reset: () => ({ observation: { dtype: "uint8", shape, data } }),
  }) as unknown as Env;
  const env = await RemoteEnv.connect((await served(t, camera)).address);
  const image = (await env.reset()).observation as Tensor;
  assert.deepEqual(image.data, data);
  assert.ok(image.data.byteOffset > 0 && image.data.buffer.byteLength > data.length);
  await env.close();
});

describe("lost connections", () => {
  test("each step is applied once, wherever its answer is cut", async (t) => {
    const count = new Slow();
    const server = await served(t, count);
    const cutter = await Cutter.before(portOf(server));
    t.after(() => cutter.close());
    const env = await RemoteEnv.connect(cutter.address);
    let wanted = 0;
    for (let bytes = 1; bytes <= 36; bytes++) {
      await env.reset();
      cutter.cutAfter(bytes);
      for (const observation of [1n, 2n, 3n]) {
        assert.equal((await env.step(1n)).observation, observation);
        assert.equal(count.applied, ++wanted);
      }
    }
    assert.ok(cutter.cuts >= 30, String(cutter.cuts));
    cutter.cutAfter(1);
    await env.close();
  });

  test("between two requests, and while a call runs", async (t) => {
    const count = new Slow();
    const cutter = await Cutter.before(portOf(await served(t, count)));
    t.after(() => cutter.close());
    const env = await RemoteEnv.connect(cutter.address);
    await env.reset();
    cutter.cut();
    const running = env.step(1n);
    setTimeout(() => cutter.cut(), 2);
    assert.equal((await running).observation, 1n);
    assert.equal(count.applied, 1);
    await env.close();
  });

  test("a session without a grace period ends with its connection", async (t) => {
    const server = await served(t, new Count(), { gracePeriod: 0 });
    const cutter = await Cutter.before(portOf(server));
    t.after(() => cutter.close());
    const env = await RemoteEnv.connect(cutter.address);
    await env.reset();
    cutter.cutAfter(1);
    await assert.rejects(env.step(1n), errors.ConnectionLostError);
    await assert.rejects(env.step(1n), errors.ConnectionLostError);
    assert.ok(env.closed);
  });

  test("the client of a server that stops is told so", async (t) => {
    const count = new Count();
    const server = await served(t, count);
    const env = await RemoteEnv.connect(server.address);
    await env.reset();
    await server.close();
    await assert.rejects(env.step(1n), errors.ShuttingDownError);
  });
});
