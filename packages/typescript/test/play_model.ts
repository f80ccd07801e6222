/**
 * Plays episodes of an environment with a model, each served: `play_model.js ENV MODEL SEEDS`. Each
 * action is a line on stdout, and after each episode its reward.
 */

import { RemoteEnv, RemoteModel } from "../src/index.js";

const [envAddress = "", modelAddress = "", seeds = "[]"] = process.argv.slice(2);
const env = await RemoteEnv.connect(envAddress);
const model = await RemoteModel.connect(modelAddress, env.contract);
for (const seed of JSON.parse(seeds) as number[]) {
  let { observation } = await env.reset({ seed });
  await model.startEpisode({ seed });
  let total = 0;
  for (let over = false; !over; ) {
    const { action } = await model.predict(observation);
    const step = await env.step(action);
    console.log(String(action));
    ({ observation } = step);
    total += step.reward;
    over = step.terminated || step.truncated;
  }
  await model.endEpisode();
  console.log(`reward ${total}`);
}
await model.close();
await env.close();
