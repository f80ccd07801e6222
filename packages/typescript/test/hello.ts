/** The first message of a connection, as a test sends it. */

import { create, toBinary } from "@bufbuild/protobuf";
import { FramesHelloSchema } from "@rlmesh/proto/session/v1/frames_pb";

/** A FramesHello. */
export function helloFrame(service: string, token: string): Uint8Array {
  return toBinary(FramesHelloSchema, create(FramesHelloSchema, { service, token }));
}
