/** `serveEnv`: serves one environment over frames alone (B-15). */

import type { Validation } from "./conformance.js";
import type { Env } from "./env.js";
import { EnvSessions } from "./env_service.js";
import { MAX_FIRST_BYTES } from "./frames.js";
import { type FramesServer, type ListenOptions, serveFrames, sessionOptions } from "./serve_frames.js";

/** Options of a server of an environment. */
export interface ServeOptions extends ListenOptions {
  /** What is done with observations outside their bounds: "warn" by default. */
  readonly validation?: Validation;
  /** Names of the environment that `call`, `getAttribute` and `setAttribute` reach; none by default. */
  readonly exposed?: readonly string[];
}

/**
 * Serve an environment to one client after another.
 *
 * @param address `frames://HOST:PORT`, `framess://HOST:PORT` or `frames+unix:///PATH`; port 0: any.
 * @throws CodecError if the environment's spaces break a rule.
 * @throws AddressError if the address cannot be listened on.
 */
export async function serveEnv(
  env: Env,
  address: string,
  options: ServeOptions = {},
): Promise<FramesServer> {
  const { validation = "warn", exposed = [] } = options;
  const sessions = new EnvSessions(env, { ...sessionOptions(options), validation, exposed });
  return serveFrames(sessions, address, options, MAX_FIRST_BYTES);
}
