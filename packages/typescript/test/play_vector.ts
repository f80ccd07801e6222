/**
 * Plays steps of a vector of CartPoles: `play_vector.js ADDRESS SEED STEPS`. Each step is a line on
 * stdout: the lanes' observations, rewards, flags, and last observations of episodes that ended. Lanes
 * of a vector without autoreset are reset once they have ended.
 */

import { writeSync } from "node:fs";

import { RemoteVectorEnv, type Tensor, type Value } from "../src/index.js";

const [address = "", seed = "0", steps = "1"] = process.argv.slice(2);
const env = await RemoteVectorEnv.connect(address);
write((await env.reset({ seed: Number(seed) })).observations);
for (let at = 0; at < Number(steps); at++) {
  const actions = Array.from({ length: env.numEnvs }, (_, lane) => BigInt((at * (lane + 1)) % 2));
  const step = await env.step(actions);
  const flags = [step.terminated, step.truncated].map((all) => all.map(Number).join(""));
  write(step.observations, step.rewards.join(","), ...flags, shown(step.finalObservations ?? []));
  const mask = step.terminated.map((ended, lane) => ended || step.truncated[lane] === true);
  if (env.contract.autoresetMode === "disabled" && mask.includes(true)) {
    write((await env.reset({ mask })).observations);
  }
}
await env.close();

function shown(values: readonly (Value | null)[]): string {
  const texts = values.map((value) => {
    const { data } = (value ?? { data: new Uint8Array() }) as Tensor;
    return Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("hex");
  });
  return texts.join("/");
}

function write(observations: readonly Value[], ...facts: string[]): void {
  writeSync(1, `${[shown(observations), ...facts].join(" ")}\n`);
}
