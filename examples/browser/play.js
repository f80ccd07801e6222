/**
 * Plays a served environment with the keyboard, over a WebSocket.
 *
 * The page's own address names the server: `?address=ws://127.0.0.1:5556/rlmesh&token=…&seed=7`. The
 * import map of index.html stands for a bundler.
 */

import { RemoteEnv } from "@rlmesh/client/browser";

const asked = new URLSearchParams(location.search);
const address = asked.get("address") ?? `ws://${location.hostname}:5556/rlmesh`;
const seed = asked.has("seed") ? BigInt(asked.get("seed")) : undefined;

const place = (id) => document.getElementById(id);
const env = await RemoteEnv.connect(address, { token: asked.get("token") ?? "", name: "play.js" }).catch((error) => {
  place("status").textContent = `${error.name}: ${error.message}`;
  throw error;
});
const { id, actionSpace, renderMode } = env.contract;
place("id").textContent = id;

let [steps, reward, isOver] = [0, 0, false];

/** Show an observation, and the image of the environment if it renders one. */
async function show(observation) {
  const end = isOver ? ", the episode is over" : "";
  place("observation").textContent = [...(observation.data ?? [observation])].join(" ");
  if (renderMode === "rgb_array") {
    draw(await env.render());
  }
  place("status").textContent = `Step ${steps}, reward ${reward}${end}`;
}

/** Draw an array of height, width and three colours. */
function draw({ shape: [height, width], data }) {
  const image = new ImageData(width, height);
  for (let pixel = 0; pixel < width * height; pixel++) {
    image.data.set(data.subarray(3 * pixel, 3 * pixel + 3), 4 * pixel);
    image.data[4 * pixel + 3] = 255;
  }
  Object.assign(place("image"), { width, height }).getContext("2d").putImageData(image, 0, 0);
}

async function reset(options) {
  [steps, reward, isOver] = [0, 0, false];
  await show((await env.reset(options)).observation);
}

async function step(action) {
  const result = await env.step(action);
  steps++;
  reward += result.reward;
  isOver = result.terminated || result.truncated;
  await show(result.observation);
}

/** The action of a key in a Discrete space; undefined: none. */
function actionOf(key) {
  const number = ["ArrowLeft", "ArrowRight"].indexOf(key);
  const chosen = BigInt(number >= 0 ? number : /^[0-9]$/.test(key) ? key : -1);
  return chosen >= 0n && chosen < actionSpace.n ? actionSpace.start + chosen : undefined;
}

// Calls of a session run one at a time: each key waits for the one before.
let before = Promise.resolve();
let waiting = 0;

addEventListener("keydown", (event) => {
  const action = actionOf(event.key);
  if (event.repeat && waiting > 0) {
    return;
  }
  const play = event.key === "r" ? () => reset({}) : () => (isOver ? undefined : step(action));
  if (event.key === "r" || action !== undefined) {
    event.preventDefault();
    waiting++;
    before = before.then(play).catch((error) => {
      place("status").textContent = `${error.name}: ${error.message}`;
    });
    before.finally(() => waiting--);
  }
});
addEventListener("pagehide", () => void env.close());

if (actionSpace.family !== "discrete") {
  place("status").textContent = `expected a Discrete action space, got ${actionSpace.family}`;
} else {
  await reset(seed === undefined ? {} : { seed });
}
