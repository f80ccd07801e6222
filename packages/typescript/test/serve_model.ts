/** Serves a model of known answers: `serve_model.js ADDRESS NAME [TOKEN]`; the address is its first line. */

import { serveModel } from "../src/index.js";
import { Ramp, Sum } from "./models.js";

const [address = "", name = "", token = ""] = process.argv.slice(2);
const options = token === "" ? {} : { token };
const id = `rlmesh.reference/${name}`;
const server =
  name === "sum"
    ? await serveModel(new Sum(id), address, options)
    : await serveModel(new Ramp(id), address, options);
console.log(server.address);
process.once("SIGTERM", () => void server.close());
