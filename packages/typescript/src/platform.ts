/** What differs between a browser and Node. Importing `@rlmesh/client` makes it Node's. */

import type { Address, TLSOptions } from "./addresses.js";
import type { FrameConnection } from "./connection.js";
import { dialWebSocket } from "./web_socket.js";

/** Where this package runs. */
export interface Platform {
  /** Name by which other clients know this one. */
  readonly name: string;
  /** Versions of what it runs on, by name (E-10). */
  readonly software: Readonly<Record<string, string>>;
  /** Connect to a server. */
  dial(address: Address, certificates: TLSOptions | undefined): Promise<FrameConnection>;
  /** Warn the user of something that goes on all the same. */
  warn(message: string): void;
}

const BROWSER: Platform = {
  name: "a browser",
  software: {},
  dial: dialWebSocket,
  warn: (message) => console.warn(message),
};

let current = BROWSER;

/** Where this package runs. */
export function platform(): Platform {
  return current;
}

/** Set where this package runs. */
export function usePlatform(used: Platform): void {
  current = used;
}
