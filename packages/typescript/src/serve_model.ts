/** `serveModel`: serves one model over frames alone (B-15). */

import type { Validation } from "./conformance.js";
import { MAX_MESSAGE_BYTES } from "./connection.js";
import type { Model } from "./model.js";
import { ModelSessions } from "./model_service.js";
import { type FramesServer, type ListenOptions, serveFrames, sessionOptions } from "./serve_frames.js";

/** Options of a server of a model. */
export interface ServeModelOptions extends ListenOptions {
  /** What is done with values outside their bounds: "warn", which sends them as they are, by default. */
  readonly validation?: Validation;
}

/**
 * Serve a model to any number of clients.
 *
 * @param address `frames://HOST:PORT`, `framess://HOST:PORT` or `frames+unix:///PATH`; port 0: any.
 * @throws CodecError if a space of the model breaks a rule.
 * @throws AddressError if the address cannot be listened on.
 */
export async function serveModel<State>(
  model: Model<State>,
  address: string,
  options: ServeModelOptions = {},
): Promise<FramesServer> {
  const { validation = "warn" } = options;
  const sessions = new ModelSessions(model, { ...sessionOptions(options), validation });
  // The first request has the contract of an environment.
  return serveFrames(sessions, address, options, MAX_MESSAGE_BYTES);
}
