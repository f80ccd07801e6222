/** Serves CartPole: `serve.js ADDRESS [OPTIONS]`, the options as JSON; the address is its first line. */

import { serveEnv } from "../src/index.js";
import { CartPole } from "./cartpole.js";
import { type FilesOfTLS, tlsOf } from "./files.js";

const [address = "", options = "{}"] = process.argv.slice(2);
const { tls, ...rest } = JSON.parse(options) as { token?: string; tls?: FilesOfTLS };
const server = await serveEnv(new CartPole(), address, { ...rest, ...tlsOf(tls) });
console.log(server.address);
process.once("SIGTERM", () => void server.close());
