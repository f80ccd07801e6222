/** What is demanded of the codec for each case of the golden vectors. */

import assert from "node:assert/strict";

import { equals, fromBinary, toBinary } from "@bufbuild/protobuf";
import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";
import { type Space as Message, SpaceSchema } from "@rlmesh/proto/spaces/v1/space_pb";
import { ValueSchema } from "@rlmesh/proto/spaces/v1/value_pb";

import { CodecError, nonconformities, parseDynamic, readSpace } from "../src/index.js";
import { serializeDynamic, type Space, SpaceCodec, type Value, writeSpace } from "../src/index.js";
import { describeDynamic, dynamicOf } from "./dynamic_json.js";
import { describeSpace, describeValue, valueOf, withNumbers } from "./json.js";
import { base64, type Broken, bytes, type Folders, type ValueCase } from "./vectors.js";

/** For each folder, what throws unless a case of it is met. */
export const CHECKS: { [Folder in keyof Folders]: (one: Folders[Folder]) => void } = {
  "valid/spaces": (one) => {
    const space = spaceOf(one.space_proto);
    assert.deepEqual(describeSpace(space), withNumbers(one.space));
    const written = reparsed(writeSpace(space));
    const canonical = fromBinary(SpaceSchema, bytes(one.canonical_proto ?? one.space_proto));
    assert.ok(equals(SpaceSchema, written, canonical), "not canonical");
    assert.deepEqual(readSpace(written), space);
  },
  "valid/values": (one) => {
    const codec = new SpaceCodec(spaceOf(one.space_proto));
    assert.deepEqual(describeSpace(codec.space), withNumbers(one.space));
    checkDecoding(one, codec);
    checkEncoding(one, codec);
  },
  "valid/dynamic": (one) => {
    const value = parseDynamic(bytes(one.proto));
    assert.deepEqual(describeDynamic(value), one.value);
    const canonical = one.canonical_proto ?? one.proto;
    assert.equal(base64(serializeDynamic(dynamicOf(one.value))), canonical);
    assert.equal(base64(serializeDynamic(value)), canonical);
  },
  "invalid/spaces": (one) => {
    const message = fromBinary(SpaceSchema, bytes(one.space_proto));
    checkRefused(one, () => readSpace(message, ROOT));
  },
  "invalid/values": (one) => {
    const space = spaceOf(one.space_proto);
    assert.deepEqual(describeSpace(space), withNumbers(one.space));
    const codec = new SpaceCodec(space, ROOT);
    checkRefused(one, () => codec.decodeBatch(one.slabs.map(bytes), one.batch_size ?? 1));
  },
  "invalid/dynamic": (one) => checkRefused(one, () => parseDynamic(bytes(one.proto), ROOT)),
};

const ROOT = "root";

function spaceOf(proto: string): Space {
  return readSpace(fromBinary(SpaceSchema, bytes(proto)));
}

function reparsed(message: Message): Message {
  return fromBinary(SpaceSchema, toBinary(SpaceSchema, message));
}

function checkDecoding(one: ValueCase, codec: SpaceCodec): void {
  const slabs = one.slabs.map(bytes);
  const single = one.batch_size === null;
  const values = single ? [codec.decode(slabs)] : codec.decodeBatch(slabs, one.batch_size ?? -1);
  const described = values.map((value) => describeValue(codec.space, value));
  assert.deepEqual(single ? described[0] : { batch: described }, one.value);
  const conforms = values.every((value) => [...nonconformities(codec.space, value)].length === 0);
  assert.equal(conforms, one.conforms);
}

function checkEncoding(one: ValueCase, codec: SpaceCodec): void {
  const single = one.batch_size === null;
  const values: Value[] = single ? [valueOf(one.value)] : one.value.batch.map(valueOf);
  const message = single ? codec.write(values[0] as Value) : codec.writeBatch(values);
  assert.deepEqual(message.slabs.map(base64), one.slabs);
  assert.equal(message.batchSize ?? null, one.batch_size);
  const read = codec.read(fromBinary(ValueSchema, toBinary(ValueSchema, message)));
  assert.deepEqual(read, single ? { value: values[0] } : { batch: values });
}

function checkRefused(one: Broken, read: () => unknown): void {
  let refusal: unknown;
  try {
    read();
  } catch (error) {
    refusal = error;
  }
  assert.ok(refusal instanceof CodecError, `expected a refusal, got ${refusal ?? "a value"}`);
  assert.equal(`ERROR_CODE_${ErrorCode[refusal.code]}`, one.code);
  const [path, place] = [refusal.path, ROOT + one.error_path];
  // For depth the path may stop earlier.
  const stopped = ["S-2", "D-7"].includes(one.contract) && place.startsWith(path);
  assert.ok(path.startsWith(place) || stopped, `expected the path ${place}, got ${path}`);
}
