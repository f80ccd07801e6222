"""gRPC status codes as exceptions: the one place that maps them."""

from __future__ import annotations

import grpc

from rlmesh import errors as e

__all__ = ["exception_of_status"]

_REMOTE: dict[grpc.StatusCode, type[e.RemoteError]] = {
    grpc.StatusCode.UNAUTHENTICATED: e.AuthenticationError,
    grpc.StatusCode.PERMISSION_DENIED: e.ForbiddenError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: e.LimitError,
    grpc.StatusCode.INVALID_ARGUMENT: e.ProtocolError,
    grpc.StatusCode.FAILED_PRECONDITION: e.ProtocolError,
    grpc.StatusCode.OUT_OF_RANGE: e.ProtocolError,
    grpc.StatusCode.ALREADY_EXISTS: e.ProtocolError,
    grpc.StatusCode.NOT_FOUND: e.ProtocolError,
    grpc.StatusCode.INTERNAL: e.ProtocolError,
    grpc.StatusCode.UNKNOWN: e.ProtocolError,
    grpc.StatusCode.DATA_LOSS: e.ProtocolError,
}

_TRANSPORT: dict[grpc.StatusCode, type[e.TransportError]] = {
    grpc.StatusCode.DEADLINE_EXCEEDED: e.RequestTimeoutError,
    grpc.StatusCode.UNAVAILABLE: e.ConnectionLostError,
    grpc.StatusCode.CANCELLED: e.ConnectionLostError,
    # Another connection has taken the session; this one must not take it back.
    grpc.StatusCode.ABORTED: e.SessionLostError,
    # Only a unary answer has OK; a stream that ends with it has ended too early.
    grpc.StatusCode.OK: e.ConnectionLostError,
    grpc.StatusCode.UNIMPLEMENTED: e.WrongServiceError,
}


def exception_of_status(
    code: grpc.StatusCode, details: str, address: str, method: str
) -> e.RLMeshError:
    """Return the exception that stands for a call of a method that ended with `code`."""
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return e.WrongServiceError(
            f"{address} answers, but serves no RLMesh service of this kind: it does not implement "
            f"{method} ({details or code.name})",
            address=address,
        )
    if code in _REMOTE:
        return _REMOTE[code](f"{address}: {details or code.name}", session_closed=True)
    return _TRANSPORT[code](f"{address}: {details or code.name}", address=address)
