/**
 * Times steps for benchmarks/node.py: `steps.js ADDRESS COUNT`; a line on stdin is answered by the
 * median of so many steps, in microseconds.
 */

import { createInterface } from "node:readline";

import { RemoteEnv } from "../src/index.js";

const [address = "", count = "1"] = process.argv.slice(2);
const env = await RemoteEnv.connect(address);
await env.reset({ seed: 0 });
for await (const _ of createInterface({ input: process.stdin })) {
  const times: number[] = [];
  for (let at = 0; at < Number(count); at++) {
    const begun = performance.now();
    const { terminated, truncated } = await env.step(BigInt(at % 2));
    times.push(1000 * (performance.now() - begun));
    if (terminated || truncated) {
      await env.reset();
    }
  }
  console.log(times.sort((one, other) => one - other)[times.length >> 1]);
}
