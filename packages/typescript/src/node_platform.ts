/** Makes the platform Node: sockets too, besides WebSockets. */

import { hostname } from "node:os";

import { addressText, isGrpc, isWeb } from "./addresses.js";
import { dial } from "./frames.js";
import { usePlatform } from "./platform.js";
import { AddressError } from "./remote_errors.js";
import { dialWebSocket } from "./web_socket.js";

usePlatform({
  name: `${hostname()}:${process.pid}`,
  software: { node: process.versions.node },
  dial: async (address, tls) => {
    if (isGrpc(address)) {
      const hint = 'import "@rlmesh/client/grpc", which needs @grpc/grpc-js';
      throw new AddressError(`${addressText(address)} is an address of gRPC: ${hint}`);
    }
    return isWeb(address) ? dialWebSocket(address) : dial(address, tls);
  },
  warn: (message) => process.emitWarning(message),
});
