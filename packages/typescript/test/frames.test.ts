/** Frames in pieces, addresses, pulses and silence. */

import assert from "node:assert/strict";
import { once } from "node:events";
import net from "node:net";
import { describe, mock, test } from "node:test";

import { addressText, parseAddress } from "../src/addresses.js";
import { FrameReader, FrameSocket } from "../src/frames.js";
import { errors } from "../src/index.js";
import { talksTo } from "../src/versions.js";

const STREAM = Uint8Array.of(1, 0, 0, 0, 7, 0, 0, 0, 0, 3, 0, 0, 0, 1, 2, 3, 2, 0, 0, 0, 9, 9);

describe("frames", () => {
  for (let size = 1; size <= STREAM.length; size++) {
    test(`in chunks of ${size}`, () => {
      const [reader, found] = [new FrameReader(), [] as number[][]];
      for (let at = 0; at < STREAM.length; at += size) {
        found.push(...[...reader.read(STREAM.subarray(at, at + size))].map((frame) => [...frame]));
      }
      assert.deepEqual(found, [[7], [1, 2, 3], [9, 9]]);
    });
  }

  test("a length over the limit is refused before its bytes come", () => {
    const reader = new FrameReader([1, 2]);
    assert.throws(() => [...reader.read(STREAM)], /at most 2 bytes, got 3/);
    assert.equal([...new FrameReader([1, 3]).read(STREAM)].length, 3);
  });
});

describe("addresses", () => {
  for (const text of ["frames://127.0.0.1:5", "framess://[::1]:65535", "frames+unix:///a/b c"]) {
    test(text, () => assert.equal(addressText(parseAddress(text)), text));
  }
  for (const text of ["http://a:1", "frames://a", "frames://:1", "frames://a:65536", "frames+unix://a"]) {
    test(`no address: ${text}`, () => {
      assert.throws(() => parseAddress(text), errors.AddressError);
    });
  }
});

test("versions talk by E-2", () => {
  const pairs = [["1.0.0", "1.9.2"], ["1.0.0", "2.0.0"], ["1.0.0rc3", "1.0.0rc3"]] as const;
  const others = [["1.0.0rc3", "1.0.0"], ["", ""], ["1.0", "1.0"], ["01.0.0", "1.0.0"]] as const;
  const found = [...pairs, ...others].map(([one, other]) => talksTo(one, other));
  assert.deepEqual(found, [true, false, true, false, false, false, false]);
});

async function pair(): Promise<[net.Socket, net.Socket]> {
  const listener = net.createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const client = net.connect((listener.address() as net.AddressInfo).port, "127.0.0.1");
  const [server] = (await once(listener, "connection")) as [net.Socket];
  listener.close();
  return [client, server];
}

test("pulses are sent while they are due, and a silent peer is lost after 20 s", async (t) => {
  const [ours, peer] = await pair();
  mock.timers.enable({ apis: ["setInterval"] });
  let now = 0;
  const clock = mock.method(performance, "now", () => now);
  t.after(() => {
    mock.timers.reset();
    clock.mock.restore();
    peer.destroy();
  });
  const socket = new FrameSocket(ours, "frames://there:1", true);
  mock.timers.tick(4_000);
  socket.pulsing = "idle";
  mock.timers.tick(4_000);
  const [pulse] = (await once(peer, "data")) as [Buffer];
  assert.deepEqual([...pulse], [0, 0, 0, 0]);
  socket.busy = true;
  mock.timers.tick(4_000);
  assert.equal(ours.bytesWritten, 4);
  const received = socket.receive();
  now = 19_000;
  mock.timers.tick(4_000);
  await new Promise(setImmediate);
  assert.ok(!socket.isLost);
  now = 21_000;
  mock.timers.tick(4_000);
  await assert.rejects(received, errors.ConnectionLostError);
});
