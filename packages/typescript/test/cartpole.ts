/**
 * CartPole as Gymnasium's CartPole-v1 has it, but for the random numbers of `reset`.
 *
 * Source of the equations: Barto, Sutton and Anderson, "Neuronlike adaptive elements that can solve
 * difficult learning control problems" (1983), with the constants of Gymnasium's documentation.
 */

import { type Env, type EnvReset, type EnvStep, numberOfFloat } from "../src/index.js";
import type { ResetRequest, Space, Tensor, Value } from "../src/index.js";

const MAX_STEPS = 500;
const MAX_ANGLE = (12 * 2 * Math.PI) / 360;
const LIMITS = Float32Array.of(4.8, Infinity, 2 * MAX_ANGLE, Infinity);

/**
 * Observations are float32 (x, its speed in m/s, the angle in rad, its speed in rad/s); the actions
 * 0 and 1 push to the left and to the right. The option "state" of a reset is a list of four floats.
 */
export class CartPole implements Env {
  readonly id = "CartPole-v1";
  readonly observationSpace: Space = {
    family: "box",
    dtype: "float32",
    shape: [4],
    low: { form: "elementwise", elements: LIMITS.map((limit) => -limit) },
    high: { form: "elementwise", elements: LIMITS },
  };
  readonly actionSpace: Space = { family: "discrete", dtype: "int64", n: 2n, start: 0n };
  readonly maxEpisodeSteps = MAX_STEPS;
  private state: readonly [number, number, number, number] = [0, 0, 0, 0];
  private steps = 0;

  reset({ options }: ResetRequest): EnvReset {
    const state = options?.entries.find(([key]) => key.kind === "string" && key.value === "state");
    const numbers = state?.[1].kind === "list" ? state[1].elements : [];
    const [x = 0, speed = 0, angle = 0, turn = 0] = numbers.map((number) => {
      return number.kind === "float" ? numberOfFloat(number) : 0;
    });
    this.state = [x, speed, angle, turn];
    this.steps = 0;
    return { observation: this.observation() };
  }

  step(action: Value): EnvStep {
    const [gravity, poleMass, halfLength, tau] = [9.8, 0.1, 0.5, 0.02];
    const [totalMass, poleMoment] = [poleMass + 1, poleMass * halfLength];
    const [x, speed, angle, turn] = this.state;
    const force = action === 1n ? 10 : -10;
    const [cosine, sine] = [Math.cos(angle), Math.sin(angle)];
    const push = (force + poleMoment * (turn * turn) * sine) / totalMass;
    const turning =
      (gravity * sine - cosine * push) /
      (halfLength * (4 / 3 - (poleMass * (cosine * cosine)) / totalMass));
    const acceleration = push - (poleMoment * turning * cosine) / totalMass;
    this.state = [
      x + tau * speed,
      speed + tau * acceleration,
      angle + tau * turn,
      turn + tau * turning,
    ];
    this.steps++;
    const [place, , tilt] = this.state;
    return {
      observation: this.observation(),
      reward: 1,
      terminated: Math.abs(place) > 2.4 || Math.abs(tilt) > MAX_ANGLE,
      truncated: this.steps >= MAX_STEPS,
    };
  }

  private observation(): Tensor {
    return { dtype: "float32", shape: [4], data: Float32Array.from(this.state) };
  }
}
