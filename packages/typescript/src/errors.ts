/** What the codec refuses, and how places are written (CONTRACT.md, X-6). */

import { ErrorCode } from "@rlmesh/proto/session/v1/error_pb";

/** Base of every error of RLMesh; `remote_errors.ts` has those of clients. */
export class RLMeshError extends Error {
  override readonly name: string = this.constructor.name;
}

/** A space, value or self-describing value that breaks a rule of the contract. */
export class CodecError extends RLMeshError {
  /**
   * @param code What a server answers for it.
   * @param path The place: the caller's root, then steps; the root alone is the whole.
   * @param expected What the rule asks for.
   * @param actual What came.
   */
  constructor(
    readonly code: ErrorCode,
    readonly path: string,
    readonly expected: string,
    readonly actual: string,
  ) {
    super(`${path || "the root"}: expected ${expected}, got ${actual}`);
  }
}

/** A space or a self-describing value that breaks a rule. */
export function malformed(path: string, expected: string, actual: string): CodecError {
  return new CodecError(ErrorCode.MALFORMED, path, expected, actual);
}

/** A value, or its slabs, that are not of the space. */
export function invalidValue(path: string, expected: string, actual: string): CodecError {
  return new CodecError(ErrorCode.INVALID_VALUE, path, expected, actual);
}

/** A type of a newer spec. */
export function unsupported(path: string, expected: string, actual: string): CodecError {
  return new CodecError(ErrorCode.UNSUPPORTED, path, expected, actual);
}

/** A size, count or depth over a limit of CONTRACT.md §15. */
export function limitExceeded(path: string, expected: string, actual: string): CodecError {
  return new CodecError(ErrorCode.LIMIT_EXCEEDED, path, expected, actual);
}

/** A key or a position as a step of a path. */
export function step(key: string | number | bigint): string {
  if (typeof key !== "string") {
    return `[${key}]`;
  }
  return `['${key.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}']`;
}
