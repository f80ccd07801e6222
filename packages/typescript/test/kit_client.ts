/** A client for `rlmesh check --client`: plays up to eight steps at the address that it is given. */

import { RemoteEnv } from "../src/index.js";

const env = await RemoteEnv.connect(process.argv.at(-1) ?? "");
await env.reset({ seed: 1 });
for (let steps = 0, over = false; steps < 8 && !over; steps++) {
  const { terminated, truncated } = await env.step(0n);
  over = terminated || truncated;
}
await env.close();
