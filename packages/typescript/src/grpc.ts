/**
 * RLMesh over gRPC: all of `@rlmesh/client`, whose clients then reach `tcp://`, `grpcs://` and `unix://` too
 * (§3 of the contract). It needs `@grpc/grpc-js`.
 */

import { isGrpc } from "./addresses.js";
import { dialGrpc } from "./grpc_connection.js";
import "./node_platform.js";
import { platform, usePlatform } from "./platform.js";

export * from "./index.js";

const before = platform();
usePlatform({
  ...before,
  dial: (address, tls) => (isGrpc(address) ? dialGrpc(address, tls) : before.dial(address, tls)),
});
