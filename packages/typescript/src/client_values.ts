/** Actions and observations of a client, as messages. */

import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";
import type * as proto from "@rlmesh/proto/spaces/v1/value_pb";

import { SpaceCodec } from "./codec.js";
import { nonconformities, type Validation } from "./conformance.js";
import { CodecError, malformed } from "./errors.js";
import { platform } from "./platform.js";
import { InvalidValueError } from "./remote_errors.js";
import type { Space } from "./spaces.js";
import type { Value } from "./values.js";

/** A codec whose refusals of a user's values are InvalidValueErrors. */
export class ValueCodec {
  private readonly codec: SpaceCodec;
  private readonly reported = new Set<string>();

  /** @param validation What is done with values outside their bounds (F-2). */
  constructor(
    private readonly space: Space,
    private readonly path: string,
    private readonly validation: Validation,
  ) {
    this.codec = new SpaceCodec(space, path);
  }

  /** The message of one value. */
  writeOne(value: Value): proto.Value {
    return this.written([value], (codec) => codec.write(value));
  }

  /** The message of a batch. */
  writeBatch(values: readonly Value[]): proto.Value {
    return this.written(values, (codec) => codec.writeBatch(values));
  }

  private written(
    values: readonly Value[],
    write: (codec: SpaceCodec) => proto.Value,
  ): proto.Value {
    try {
      const message = write(this.codec);
      if (this.validation !== "off") {
        values.forEach((value) => this.validate(value));
      }
      return message;
    } catch (error) {
      if (error instanceof CodecError && error.code === ErrorCode.INVALID_VALUE) {
        throw new InvalidValueError(error.path, error.expected, error.actual);
      }
      throw error;
    }
  }

  private validate(value: Value): void {
    for (const { path, expected, actual } of nonconformities(this.space, value, this.path)) {
      if (this.validation === "strict") {
        throw new InvalidValueError(path, expected, actual);
      }
      if (!this.reported.has(path)) {
        this.reported.add(path);
        platform().warn(`${path}: expected ${expected}, got ${actual}; it is sent all the same`);
      }
    }
  }

  /** One value of a message that must be there and no batch. */
  one(message: proto.Value | undefined): Value {
    const read = this.codec.read(this.present(message));
    if (!("value" in read)) {
      throw malformed(this.path, "one value", `a batch of ${read.batch.length}`);
    }
    return read.value;
  }

  /** The values of a message that must be there and a batch of `count`. */
  batch(message: proto.Value | undefined, count: number): Value[] {
    const present = this.present(message);
    if (present.batchSize !== count) {
      const found = present.batchSize === undefined ? "one value" : `a batch of ${present.batchSize}`;
      throw malformed(this.path, `a batch of ${count}`, found);
    }
    return this.codec.decodeBatch(present.slabs, count);
  }

  private present(message: proto.Value | undefined): proto.Value {
    if (message === undefined) {
      throw malformed(this.path, `the field ${this.path}`, "none");
    }
    return message;
  }
}
