/** What a browser loads, and WebSockets without a server. */

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { describe, mock, test } from "node:test";

import { addressText, parseAddress } from "../src/addresses.js";
import * as browser from "../src/browser.js";
import { errors, RemoteEnv, serveEnv } from "../src/index.js";
import { dialWebSocket, WebSocketConnection } from "../src/web_socket.js";
import { Count } from "./envs.js";

const SOURCES = path.join(path.dirname(fileURLToPath(import.meta.url)), "..", "src");

/** The modules that a module imports, with those that they import. */
function imported(file: string, seen = new Set<string>()): Set<string> {
  const text = readFileSync(path.join(SOURCES, file), "utf8");
  for (const [, name = ""] of text.matchAll(/(?:from|import) "([^"]+)"/g)) {
    if (!seen.has(name)) {
      seen.add(name);
      if (name.startsWith("./")) {
        imported(name, seen);
      }
    }
  }
  return seen;
}

describe("the entry of browsers", () => {
  test("imports nothing of Node", () => {
    const modules = [...imported("browser.js")];
    assert.ok(modules.includes("./web_socket.js") && readdirSync(SOURCES).length > modules.length);
    const others = modules.filter((name) => !name.startsWith("./"));
    assert.ok(others.every((name) => /^@(rlmesh\/proto|bufbuild\/protobuf)/.test(name)), String(others));
    for (const name of modules.filter((module) => module.startsWith("./"))) {
      const text = readFileSync(path.join(SOURCES, name), "utf8").replaceAll(/\/\*.*?\*\/|\/\/.*$/gms, "");
      assert.doesNotMatch(text, /\b(process|Buffer|setImmediate|require)\b[.(]/, name);
    }
  });

  test("has clients and no server", () => {
    assert.ok("RemoteEnv" in browser && "Sampler" in browser);
    assert.ok(!("serveEnv" in browser));
  });
});

describe("addresses of WebSockets", () => {
  for (const text of ["ws://127.0.0.1:5/rlmesh", "wss://[::1]:65535/rlmesh"]) {
    test(text, () => assert.equal(addressText(parseAddress(text)), text));
  }
  for (const text of ["ws://a:1", "ws://a:1/", "ws://a:1/other", "frames://a:1/rlmesh"]) {
    test(`no address: ${text}`, () => assert.throws(() => parseAddress(text), errors.AddressError));
  }
  test("are not those of a server of this package", async () => {
    await assert.rejects(serveEnv(new Count(), "ws://127.0.0.1:0/rlmesh"), /expected an address of frames/);
  });
  test("and those of gRPC, which need an entry of their own", async () => {
    for (const text of ["tcp://127.0.0.1:5", "grpcs://[::1]:5", "unix:///run/env.sock"]) {
      assert.equal(addressText(parseAddress(text)), text);
      await assert.rejects(RemoteEnv.connect(text), /import "@rlmesh\/client\/grpc"/);
    }
    assert.equal(addressText(parseAddress("127.0.0.1:5")), "tcp://127.0.0.1:5");
  });
  test("are the only ones that a browser reaches", async () => {
    const where = parseAddress("frames://127.0.0.1:1");
    await assert.rejects(dialWebSocket(where), /expected ws:\/\/ or wss:\/\//);
  });
});

type Listener = (event: { data: unknown; code: number }) => void;

/** A WebSocket of which the test is the other end. */
class Fake {
  binaryType = "blob";
  readonly sent: Uint8Array[] = [];
  closed = false;
  private readonly listeners = new Map<string, Listener>();
  send(data: Uint8Array): void {
    this.sent.push(data);
  }
  close(): void {
    this.closed = true;
  }
  addEventListener(name: string, call: Listener): void {
    this.listeners.set(name, call);
  }
  happens(name: string, event: { data?: unknown; code?: number }): void {
    this.listeners.get(name)?.({ data: undefined, code: 0, ...event });
  }
  receives(...bytes: number[]): void {
    this.happens("message", { data: Uint8Array.from(bytes).buffer });
  }
}

describe("a WebSocket", () => {
  test("hands frames over, and leaves pulses out", async () => {
    const fake = new Fake();
    const connection = new WebSocketConnection(fake, "there");
    assert.equal(fake.binaryType, "arraybuffer");
    fake.receives();
    fake.receives(1, 2);
    assert.deepEqual([...(await connection.receive())], [1, 2]);
    const waiting = connection.receive();
    fake.receives(3);
    assert.deepEqual([...(await waiting)], [3]);
    fake.happens("close", { code: 1006 });
    await assert.rejects(connection.receive(), /there is lost: the WebSocket is closed, status 1006/);
  });

  test("ends if text comes, or too much that nothing has asked for", async () => {
    for (const flood of [false, true]) {
      const fake = new Fake();
      const connection = new WebSocketConnection(fake, "there");
      if (flood) {
        for (let i = 0; i < 300; i++) {
          fake.receives(i % 256);
        }
      } else {
        fake.happens("message", { data: "text" });
      }
      assert.ok(fake.closed && connection.isLost);
    }
  });

  test("pulses while it waits for nothing, and ends after a minute of silence", async (t) => {
    let now = 0;
    mock.timers.enable({ apis: ["setInterval", "setTimeout"] });
    t.mock.method(performance, "now", () => now);
    t.after(() => mock.timers.reset());
    const fake = new Fake();
    const connection = new WebSocketConnection(fake, "there");
    connection.pulsing = "idle";
    mock.timers.tick(4_000);
    assert.deepEqual(fake.sent.map(({ length }) => length), [0]);
    connection.busy = true;
    const lost = assert.rejects(connection.receive(), /nothing has come for 60 s/);
    now = 59_000;
    mock.timers.tick(4_000);
    assert.ok(!connection.isLost);
    now = 61_000;
    mock.timers.tick(4_000);
    mock.timers.tick(1);
    await lost;
  });
});
