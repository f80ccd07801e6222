/** Models that tests serve: those of the transcripts. */

import type { ChunkRequest, Episode, Model, Value } from "../src/index.js";

/** The model `sum` of spec/vectors/README.md. */
export class Sum implements Model<{ sum: bigint }> {
  readonly stateful = true;
  /** How often it was asked for an action. */
  predicted = 0;

  constructor(readonly id: string = "sum") {}

  start(): { sum: bigint } {
    return { sum: 0n };
  }

  observe(observation: Value, { state }: Episode<{ sum: bigint }>): void {
    state.sum += observation as bigint;
  }

  predict(observation: Value, episode: Episode<{ sum: bigint }>): bigint {
    this.predicted++;
    this.observe(observation, episode);
    return episode.state.sum % 3n;
  }
}

/** The model `ramp` of spec/vectors/README.md. */
export class Ramp implements Model {
  readonly chunkLength = 3;

  constructor(readonly id: string = "ramp") {}

  predict(observation: Value): bigint {
    return (observation as bigint) % 3n;
  }

  predictChunk(observation: Value, _: Episode, { prefix, committed }: ChunkRequest): Value[] {
    const first = observation as bigint;
    const ramp = [first % 3n, (first + 1n) % 3n, (first + 2n) % 3n];
    return [...prefix.slice(0, committed), ...ramp.slice(committed)];
  }

  /** So that it lists what the transcripts need: it keeps nothing. */
  observe(): void {}
}
