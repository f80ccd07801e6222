/** RLMesh in Node: clients and servers of environments over frames, and their codec. */

import "./node_platform.js";

export * from "./browser.js";
export type { Env, EnvReset, EnvStep, ResetRequest } from "./env.js";
export { serveEnv, type ServeOptions } from "./serve_env.js";
export type { ChunkRequest, Episode, Model } from "./model.js";
export { serveModel, type ServeModelOptions } from "./serve_model.js";
export { FramesServer, type ListenOptions } from "./serve_frames.js";
