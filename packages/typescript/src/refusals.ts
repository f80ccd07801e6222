/** Failures that requests are answered with, and calls of the user's code. */

import type { MessageInitShape } from "@bufbuild/protobuf";
import { ErrorCode, type FailureSchema } from "@rlmesh/proto/session/v1/error_pb";

import { CodecError } from "./errors.js";

/** The facts of an error. */
export type FailureInit = MessageInitShape<typeof FailureSchema> & { code: ErrorCode };

/** A failure to be answered as it is. */
export class Refusal extends Error {
  constructor(readonly failure: FailureInit) {
    super(failure.message);
  }
}

/** The failure that an error is answered with. */
export function failureOf(error: unknown): FailureInit {
  if (error instanceof Refusal) {
    return error.failure;
  }
  if (error instanceof CodecError) {
    const { code, message, path, expected, actual } = error;
    return { code, message, path, expected, actual };
  }
  const text = error instanceof Error ? error.message : String(error);
  return { code: ErrorCode.INTERNAL, message: `the server failed: ${text}` };
}

/** What the user's code returned, as a message; a value that cannot be sent is INVALID_RESULT. */
export function result<Message>(write: () => Message): Message {
  try {
    return write();
  } catch (error) {
    if (error instanceof CodecError) {
      const { message, path, expected, actual } = error;
      throw new Refusal({ code: ErrorCode.INVALID_RESULT, message, path, expected, actual });
    }
    throw error;
  }
}

/** Calls of the user's own code for one request, with the time that they take. */
export class OwnCalls {
  private spentMs = 0;

  /** Call the user's code; what it throws is the user's exception. */
  async call<Result>(name: string, act: () => Result | Promise<Result>): Promise<Result> {
    const begun = performance.now();
    try {
      return await act();
    } catch (error) {
      const type = error instanceof Error ? error.constructor.name : typeof error;
      const text = error instanceof Error ? error.message : String(error);
      const message = `${name}() threw ${type}: ${text}`.slice(0, 4096);
      throw new Refusal({ code: ErrorCode.USER_EXCEPTION, message, exceptionType: type });
    } finally {
      this.spentMs += performance.now() - begun;
    }
  }

  /** Microseconds that calls have taken since the last time this was asked. */
  takeMicroseconds(): bigint {
    const spent = BigInt(Math.round(1000 * this.spentMs));
    this.spentMs = 0;
    return spent;
  }
}
