/** Makes the platform Node: sockets too, besides WebSockets. */

import { hostname } from "node:os";

import { isWeb } from "./addresses.js";
import { dial } from "./frames.js";
import { usePlatform } from "./platform.js";
import { dialWebSocket } from "./web_socket.js";

usePlatform({
  name: `${hostname()}:${process.pid}`,
  software: { node: process.versions.node },
  dial: (address, tls) => (isWeb(address) ? dialWebSocket(address) : dial(address, tls)),
  warn: (message) => process.emitWarning(message),
});
