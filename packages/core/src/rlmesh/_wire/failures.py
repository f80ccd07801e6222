"""Failures <-> their messages, and <-> exceptions of `rlmesh.errors`."""

from __future__ import annotations

import traceback

from rlmesh_proto.session.v1 import error_pb2

from rlmesh import errors as e
from rlmesh._messages.env import ErrorCode, Failure

__all__ = [
    "failure_from_wire",
    "failure_of_exception",
    "failure_of_value",
    "failure_to_wire",
    "raise_failure",
    "raise_model_failure",
    "text_of",
]

MAX_TEXT_BYTES = 16_384
"""Longest text of an error."""

MAX_TRACEBACK_BYTES = 262_144
"""Longest traceback of an error."""

_PLAIN: dict[int, type[e.RemoteError]] = {
    ErrorCode.MALFORMED: e.ProtocolError,
    ErrorCode.WRONG_STATE: e.ProtocolError,
    ErrorCode.OUT_OF_SEQUENCE: e.ProtocolError,
    ErrorCode.INTERNAL: e.ProtocolError,
    ErrorCode.UNSUPPORTED: e.UnsupportedError,
    ErrorCode.UNAUTHENTICATED: e.AuthenticationError,
    ErrorCode.PERMISSION_DENIED: e.ForbiddenError,
    ErrorCode.LIMIT_EXCEEDED: e.LimitError,
    ErrorCode.SHUTTING_DOWN: e.ShuttingDownError,
}

_OF_ENV: dict[int, type[e.EnvError]] = {
    ErrorCode.USER_EXCEPTION: e.EnvError,
    ErrorCode.INVALID_RESULT: e.EnvError,
    ErrorCode.TIMEOUT: e.EnvTimeoutError,
    ErrorCode.CRASHED: e.EnvCrashedError,
}


def failure_of_exception(error: BaseException, call: str, *, expose_traceback: bool) -> Failure:
    """Return the failure for a user's exception in `call` ("step")."""
    kind = type(error)
    name = f"{kind.__module__}.{kind.__qualname__}"
    text = ""
    if expose_traceback:
        text = "".join(traceback.format_exception(kind, error, error.__traceback__))
    return Failure(
        ErrorCode.USER_EXCEPTION,
        f"{call}() raised {kind.__qualname__}" + (f": {said}" if (said := text_of(error)) else ""),
        exception_type=name,
        traceback=text,
    )


def failure_of_value(
    code: ErrorCode, error: e.CodecError | e.InvalidValueError, rule: str = ""
) -> Failure:
    """Return the failure for a value that does not belong to its space, or breaks a rule.

    Args:
        code: Code of the failure.
        error: What is wrong with the value.
        rule: Id of the rule that the value breaks, if the error does not have one.
    """
    if rule and isinstance(error, e.InvalidValueError) and error.expected:
        error = e.CodecError.of_rule(rule, error.expected, error.actual, path=error.path)
    return Failure(code, str(error), path=error.path, expected=error.expected, actual=error.actual)


def raise_model_failure(failure: Failure, address: str) -> None:
    """Raise the exception that stands for a failure of a model's server."""
    if failure.code not in _OF_ENV:
        raise _exception(failure, address)
    error = e.ModelError(
        failure.message,
        code=failure.code,
        session_closed=failure.session_closed,
        path=failure.path,
    )
    error.exception_type, error.remote_traceback = failure.exception_type, failure.traceback
    raise error


def text_of(error: BaseException) -> str:
    """Return the text of an exception, even if its class is a user's and its `__str__` raises.

    Python's MemoryError has none, and the cause has to reach the client all the same.
    """
    try:
        text = str(error)
    except BaseException:
        return "(its text cannot be told)"
    return text or ("the process is out of memory" if isinstance(error, MemoryError) else "")


def raise_failure(failure: Failure, address: str) -> None:
    """Raise the exception that stands for a failure."""
    raise _exception(failure, address)


_KNOWN_CODES = frozenset(map(int, ErrorCode))


def _code_name(code: int) -> str:
    return f"ERROR_CODE_{ErrorCode(code).name}" if code in _KNOWN_CODES else f"error code {code}"


def _exception(failure: Failure, address: str) -> e.RLMeshError:
    code = failure.code
    message = failure.message or f"the peer sent {_code_name(code)} without a message"
    if code not in _KNOWN_CODES:
        message = f"error code {code}, which is none of this spec: {message}"
    if code == ErrorCode.UNAUTHENTICATED:
        message = f"{address}: {message}"
    facts = {
        "code": code,
        "session_closed": failure.session_closed,
        "path": failure.path,
    }
    if code == ErrorCode.INVALID_VALUE:
        return e.InvalidValueError.from_peer(
            message, path=failure.path, expected=failure.expected, actual=failure.actual
        )
    if code == ErrorCode.UNSUPPORTED and failure.path == "service":  # B-16
        return e.WrongServiceError(f"{address}: {message}", address=address)
    if code == ErrorCode.UNKNOWN_SESSION:
        return e.SessionLostError(message, address=address)
    if code in _OF_ENV:
        env_error = _OF_ENV[code](
            message,
            exception_type=failure.exception_type,
            remote_traceback=failure.traceback,
            **facts,  # type: ignore[arg-type]
        )
        if isinstance(env_error, e.EnvCrashedError):
            env_error.exit_code = failure.exit_code
        return env_error
    if code == ErrorCode.BUSY:
        busy = e.BusyError(message, **facts)  # type: ignore[arg-type]
        busy.holder, busy.held_seconds = failure.holder, failure.held_seconds
        return busy
    if code == ErrorCode.UNSUPPORTED_VERSION:
        version = e.UnsupportedVersionError(message, **facts)  # type: ignore[arg-type]
        version.choices = failure.choices
        return version
    if code == ErrorCode.NOT_EXPOSED:
        exposed = e.NotExposedError(message, **facts)  # type: ignore[arg-type]
        exposed.choices = failure.choices
        return exposed
    return _PLAIN.get(code, e.ProtocolError)(message, **facts)  # type: ignore[arg-type]


def failure_to_wire(failure: Failure, out: error_pb2.Failure) -> None:
    """Write a failure into `out`; texts that are too long are cut (M-1)."""
    out.code = failure.code  # type: ignore[assignment]
    out.message = _cut(failure.message)
    out.exception_type = _cut(failure.exception_type)
    out.traceback = _cut(failure.traceback, MAX_TRACEBACK_BYTES)
    out.path = _cut(failure.path)
    out.expected = _cut(failure.expected)
    out.actual = _cut(failure.actual)
    out.session_closed = failure.session_closed
    if failure.holder or failure.held_seconds:
        out.holder.client_name = failure.holder
        out.holder.held_ms = round(failure.held_seconds * 1000)
    out.choices.extend(failure.choices)
    if failure.exit_code is not None:
        out.exit_code = failure.exit_code


def _cut(text: str, max_bytes: int = MAX_TEXT_BYTES) -> str:
    """Return `text` as UTF-8 can encode it, and no longer than the contract allows (M-1)."""
    if text.isascii():
        return text[:max_bytes]
    return text.encode("utf-8", "backslashreplace")[:max_bytes].decode("utf-8", "ignore")


def failure_from_wire(message: error_pb2.Failure) -> Failure:
    """Return the failure of a message; texts that its sender has not cut are cut here."""
    return Failure(
        code=message.code,
        message=_cut(message.message),
        exception_type=_cut(message.exception_type),
        traceback=_cut(message.traceback, MAX_TRACEBACK_BYTES),
        path=_cut(message.path),
        expected=_cut(message.expected),
        actual=_cut(message.actual),
        session_closed=message.session_closed,
        holder=_cut(message.holder.client_name),
        held_seconds=message.holder.held_ms / 1000,
        choices=tuple(message.choices),
        exit_code=message.exit_code if message.HasField("exit_code") else None,
    )
