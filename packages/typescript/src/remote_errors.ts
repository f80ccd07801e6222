/**
 * Errors of clients, named like those of `rlmesh.errors` in Python:
 *
 *     RLMeshError
 *     ├── AddressError                a text is not an address
 *     ├── InvalidValueError           a value does not belong to its space
 *     ├── CodecError                  bytes or spaces break a rule of the contract
 *     ├── ClosedError                 the client or server is closed
 *     ├── ConcurrentCallError         a call was made while another one was running
 *     ├── TransportError
 *     │   ├── ConnectError            no endpoint answers at the address
 *     │   │   └── WrongServiceError   the endpoint serves something else
 *     │   └── ConnectionLostError     the connection broke and could not be resumed
 *     │       └── SessionLostError    the server no longer has the session
 *     └── RemoteError                 the peer answered with an error
 *         ├── EnvError                the environment failed
 *         │   ├── EnvCrashedError     the environment's process died
 *         │   └── EnvTimeoutError     a call took longer than the server allows
 *         ├── ProtocolError           a frame or its order breaks the contract
 *         ├── UnsupportedVersionError the peers' spec versions are incompatible
 *         ├── UnsupportedError        the peer does not support the request
 *         ├── AuthenticationError     the token is missing or wrong
 *         ├── ForbiddenError          the request is not allowed
 *         ├── BusyError               another client holds the environment
 *         ├── LimitError              a size, count or depth is over the limit
 *         ├── NotExposedError         the environment does not expose that name
 *         └── ShuttingDownError       the server is stopping
 */

import { ErrorCode, type Failure } from "@rlmesh/proto/session/v1/error_pb";

import { RLMeshError } from "./errors.js";

/** The text is not an address of a kind that this package knows. */
export class AddressError extends RLMeshError {}

/** The client or server was used after it was closed. */
export class ClosedError extends RLMeshError {}

/** A client was called while another call of it was running. */
export class ConcurrentCallError extends RLMeshError {}

/** A value does not belong to its space. */
export class InvalidValueError extends RLMeshError {
  /**
   * @param path The place, from the root of the value.
   * @param expected What the space requires there.
   * @param actual What the value has instead.
   */
  constructor(
    readonly path: string,
    readonly expected: string,
    readonly actual: string,
    message = `${path}: expected ${expected}, got ${actual}`,
  ) {
    super(message);
  }
}

/** The connection failed. */
export class TransportError extends RLMeshError {
  /** @param address The peer's address. */
  constructor(
    message: string,
    readonly address: string,
  ) {
    super(message);
  }
}

/** No RLMesh endpoint answers at the address. */
export class ConnectError extends TransportError {}

/** The endpoint serves something else, such as a model. */
export class WrongServiceError extends ConnectError {}

/** The connection broke, and the session could not be resumed. */
export class ConnectionLostError extends TransportError {}

/** The server no longer has the session. */
export class SessionLostError extends ConnectionLostError {}

/** The peer answered with an error. */
export class RemoteError extends RLMeshError {
  /** Number of the ErrorCode. */
  readonly code: number;
  /** Whether the session is over; if false, it goes on. */
  readonly sessionClosed: boolean;
  /** Path within the space or message; empty if there is none. */
  readonly path: string;
  /** What the server says it has instead: versions, services, exposed names. */
  readonly choices: readonly string[];
  /** Results of the steps before the one that failed (`stepMany` only). */
  steps: readonly unknown[] = [];

  constructor(failure: Failure, message = textOf(failure)) {
    super(message);
    this.code = failure.code;
    this.sessionClosed = failure.sessionClosed;
    this.path = failure.path;
    this.choices = failure.choices;
  }
}

/** The environment raised an exception, or returned what its spaces do not allow. */
export class EnvError extends RemoteError {
  /** Name of the exception's type, as the server's language writes it; empty for a bad result. */
  readonly exceptionType: string;
  /** Traceback on the server; empty if the server does not expose it. */
  readonly remoteTraceback: string;

  constructor(failure: Failure) {
    super(failure);
    this.exceptionType = failure.exceptionType;
    this.remoteTraceback = failure.traceback;
  }
}

/** The environment's process died; `reset` starts a new one. */
export class EnvCrashedError extends EnvError {
  /** Exit code of the process, or minus the number of its signal; undefined if it is not known. */
  readonly exitCode: number | undefined;

  constructor(failure: Failure) {
    super(failure);
    this.exitCode = failure.exitCode;
  }
}

/** A call of the environment took longer than the server allows. */
export class EnvTimeoutError extends EnvError {}

/** The model raised an exception, or returned what the action space does not allow. */
export class ModelError extends RemoteError {
  /** Name of the exception's type, as the server's language writes it; empty for a bad result. */
  readonly exceptionType: string;
  /** Traceback on the server; empty if the server does not expose it. */
  readonly remoteTraceback: string;

  constructor(failure: Failure) {
    super(failure);
    this.exceptionType = failure.exceptionType;
    this.remoteTraceback = failure.traceback;
  }
}

/** A frame, or the order of frames, breaks the contract. */
export class ProtocolError extends RemoteError {}

/** The peers' spec versions are incompatible; `choices` has those of the peer. */
export class UnsupportedVersionError extends RemoteError {}

/** The peer does not support the request. */
export class UnsupportedError extends RemoteError {}

/** The peer requires a token, and the request had none or a wrong one. */
export class AuthenticationError extends RemoteError {}

/** The peer does not allow the request. */
export class ForbiddenError extends RemoteError {}

/** Another client holds the environment. */
export class BusyError extends RemoteError {
  /** Name of that client. */
  readonly holder: string;
  /** Seconds for which that client has held the environment. */
  readonly heldSeconds: number;

  constructor(failure: Failure) {
    super(failure);
    this.holder = failure.holder?.clientName ?? "";
    this.heldSeconds = Number(failure.holder?.heldMs ?? 0n) / 1000;
  }
}

/** A size, count or depth is over the peer's limit. */
export class LimitError extends RemoteError {}

/** The environment does not expose that name; `choices` has those that it exposes. */
export class NotExposedError extends RemoteError {}

/** The server is stopping. */
export class ShuttingDownError extends RemoteError {}

const OF_CODE: Readonly<Record<number, new (failure: Failure) => RemoteError>> = {
  [ErrorCode.TIMEOUT]: EnvTimeoutError,
  [ErrorCode.CRASHED]: EnvCrashedError,
  [ErrorCode.UNSUPPORTED_VERSION]: UnsupportedVersionError,
  [ErrorCode.UNSUPPORTED]: UnsupportedError,
  [ErrorCode.UNAUTHENTICATED]: AuthenticationError,
  [ErrorCode.PERMISSION_DENIED]: ForbiddenError,
  [ErrorCode.BUSY]: BusyError,
  [ErrorCode.LIMIT_EXCEEDED]: LimitError,
  [ErrorCode.NOT_EXPOSED]: NotExposedError,
  [ErrorCode.SHUTTING_DOWN]: ShuttingDownError,
};

/**
 * The error that a failure is raised as; a code of no other is a fault of the protocol.
 *
 * @param ofUser What is raised for a fault of what is served.
 */
export function errorOf(
  failure: Failure,
  address: string,
  ofUser: new (failure: Failure) => RemoteError = EnvError,
): RLMeshError {
  switch (failure.code) {
    case ErrorCode.USER_EXCEPTION:
    case ErrorCode.INVALID_RESULT:
      return new ofUser(failure);
    case ErrorCode.INVALID_VALUE: {
      const { path, expected, actual } = failure;
      return new InvalidValueError(path, expected, actual, textOf(failure));
    }
    case ErrorCode.UNKNOWN_SESSION:
      return new SessionLostError(textOf(failure), address);
    case ErrorCode.UNSUPPORTED:
      if (failure.path === "service") {
        return new WrongServiceError(textOf(failure), address);
      }
  }
  return new (OF_CODE[failure.code] ?? ProtocolError)(failure);
}

/** The message of a failure, with control characters escaped (Y-10). */
function textOf({ code, message }: Failure): string {
  const known = ErrorCode[code] === undefined ? `error code ${code}, which is none of this spec: ` : "";
  const text = message || `the peer sent ${ErrorCode[code] ?? code} without a message`;
  return known + text.replace(/[\x00-\x08\x0b-\x1f\x7f-\x9f]/g, escaped);
}

function escaped(character: string): string {
  return `\\x${character.charCodeAt(0).toString(16).padStart(2, "0")}`;
}
