/** Samples spaces: `sample.js SPACES SEED COUNT`, spaces as base64 of messages; one value a line. */

import { writeSync } from "node:fs";

import { fromBinary } from "@bufbuild/protobuf";
import { SpaceSchema } from "@rlmesh/proto/spaces/v1/space_pb";

import { contains, readSpace, Sampler, SpaceCodec } from "../src/index.js";
import { bytes } from "./vectors.js";

const [spaces = "[]", seed = "0", count = "1"] = process.argv.slice(2);
for (const text of JSON.parse(spaces) as string[]) {
  const space = readSpace(fromBinary(SpaceSchema, bytes(text)));
  const [codec, sampler] = [new SpaceCodec(space), new Sampler(space, BigInt(seed))];
  for (let at = 0; at < Number(count); at++) {
    const value = sampler.sample();
    const slabs = codec.encode(value).map((slab) => Buffer.from(slab).toString("hex"));
    writeSync(1, `${contains(space, value)} ${slabs.join("|")}\n`);
  }
}
