/**
 * Plays episodes of CartPole: `play.js ADDRESS EPISODES [OPTIONS]`, the rest as JSON. An episode has
 * a seed and a state, of which the server takes one. Each observation is a line on stdout.
 */

import { writeSync } from "node:fs";

import { float, mapOf, type Tensor } from "../src/index.js";
import { type FilesOfTLS, tlsOf } from "./files.js";

interface Episode {
  readonly seed: number;
  readonly state: readonly number[];
}

const [address = "", episodes = "[]", options = "{}"] = process.argv.slice(2);
const isGrpc = /^(tcp|grpcs|unix):/.test(address);
const { RemoteEnv } = isGrpc ? await import("../src/grpc.js") : await import("../src/index.js");
const { tls, ...rest } = JSON.parse(options) as { token?: string; tls?: FilesOfTLS };
const env = await RemoteEnv.connect(address, { ...rest, ...tlsOf(tls) });
for (const { seed, state } of JSON.parse(episodes) as Episode[]) {
  const list = { kind: "list", elements: state.map(float) } as const;
  write((await env.reset({ seed, options: mapOf({ state: list }) })).observation as Tensor);
  for (let steps = 0, over = false; !over; steps++) {
    const step = await env.step(BigInt(steps % 2));
    write(step.observation as Tensor, step.reward, step.terminated, step.truncated);
    over = step.terminated || step.truncated;
  }
}
await env.close();

function write({ data }: Tensor, ...facts: unknown[]): void {
  const bytes = Buffer.from(data.buffer, data.byteOffset, data.byteLength);
  writeSync(1, `${[bytes.toString("hex"), ...facts].join(" ")}\n`);
}
