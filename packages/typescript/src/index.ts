/** RLMesh in Node: clients and servers of environments over frames, and their codec. */

import "./node_platform.js";

export * from "./browser.js";
export type { Env, EnvReset, EnvStep, ResetRequest } from "./env.js";
export { EnvServer, serveEnv, type ServeOptions } from "./serve_env.js";
