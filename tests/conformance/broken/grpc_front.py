"""`RightGrpc`: the right server over gRPC, with messages as bytes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure

__all__ = ["RightGrpc", "RightGrpcToken"]

HEALTH = "/grpc.health.v1.Health/Check"
SERVING = b"\x08\x01"
UNAUTHENTICATED = grpc.StatusCode.UNAUTHENTICATED


class Call:
    """A `Session` call in the form of a connection."""

    def __init__(self, requests: Iterator[bytes], context: Any, server: RightGrpc) -> None:
        self.session: Any = None
        self.status = grpc.StatusCode.OK
        self.answers: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._requests = requests
        self._context = context
        self._server = server

    def receive(self, most: int = 0) -> bytes:
        try:
            return next(self._requests)
        except StopIteration:
            raise ConnectionError from None
        except Exception:
            raise ConnectionError from None

    def send(self, message: Any) -> None:
        self.answers.put(message.SerializeToString())

    def refuse(self, reason: Any, sequence: int = 0) -> None:
        reason.session_closed = True
        self.send(self._server.response(sequence=sequence, error=reason))
        self.end()

    def end(self, status: Any = grpc.StatusCode.OK) -> None:
        self.status = status
        self.answers.put(None)

    def cut(self) -> None:
        """End a call that a resume has replaced."""
        self.end(self._server.cut_status)

    def has_ended(self) -> bool:
        return not self._context.is_active()


class RightGrpc(RightEnv):
    """The environment `count` over gRPC.

    Attributes:
        cut_status: Status of a stream that a resume has replaced.
        health: Answer of Health for each name.
        unknown: Status of unknown methods.
    """

    cut_status = grpc.StatusCode.ABORTED
    end_status = grpc.StatusCode.OK
    shutdown_status: Any = grpc.StatusCode.PERMISSION_DENIED
    open_methods = (HEALTH,)

    def __enter__(self) -> Any:
        self._calls: list[Call] = []
        self._pool = ThreadPoolExecutor(24)
        self._grpc = grpc.server(self._pool)
        self._grpc.add_generic_rpc_handlers((_Handlers(self),))
        port = self._grpc.add_insecure_port("127.0.0.1:0")
        self._grpc.start()
        self.address = f"tcp://127.0.0.1:{port}"
        return self

    def __exit__(self, *error: object) -> None:
        for call in self._calls:
            for _ in range(2):  # The second one if the first thread has taken one.
                call.answers.put(None)
        self._grpc.stop(0).wait(5)
        self._pool.shutdown(wait=False, cancel_futures=True)

    def permits(self, method: str, metadata: dict[str, str]) -> bool:
        """Return whether a call may be made (Y-1, B-4)."""
        if not self.token or method in self.open_methods:
            return True
        scheme, _, token = metadata.get("authorization", "").partition(" ")
        return self.schemed(scheme) and self.admits(token)

    def schemed(self, scheme: str) -> bool:
        return scheme.lower() == "bearer"

    def check_health(self, name: str) -> Any:
        """Return the status of a name, or the status of the call (B-6)."""
        return SERVING if name in ("", self.service) else grpc.StatusCode.NOT_FOUND

    def unknown_method(self, method: str) -> Any:
        """Return the status of an unknown method, or an answer (B-1)."""
        return grpc.StatusCode.UNIMPLEMENTED

    def end_closed(self, connection: Any) -> None:
        connection.end(self.end_status)

    def empty(self, call: Call) -> None:
        """End a stream without a first request."""
        call.refuse(failure("WRONG_STATE", "expected an open"))

    def unary(self, method: str, data: bytes) -> Any:
        """Return the answer to a call of one message, or a status."""
        if method == HEALTH:
            return self.check_health(data[2:].decode())
        if method == f"/{self.service}/Describe":
            return self.response(describe=self.described(None)).describe.SerializeToString()
        if method == f"/{self.service}/Shutdown":
            return self.shutdown_status
        return self.unknown_method(method)


class _Handlers(grpc.GenericRpcHandler):  # type: ignore[misc]
    def __init__(self, server: RightGrpc) -> None:
        self._server = server

    def service(self, details: Any) -> Any:
        server, method = self._server, details.method
        metadata = dict(details.invocation_metadata)
        permitted = server.permits(method, metadata)
        if method == f"/{server.service}/Session":
            return grpc.stream_stream_rpc_method_handler(
                lambda requests, context: self._session(requests, context, permitted)
            )

        def answer(data: bytes, context: Any) -> bytes:
            if not permitted:
                context.abort(UNAUTHENTICATED, server.refusal(""))
            found = server.unary(method, data)
            if not isinstance(found, bytes):
                context.abort(found, "refused")
            return found

        return grpc.unary_unary_rpc_method_handler(answer)

    def _session(self, requests: Any, context: Any, permitted: bool) -> Iterator[bytes]:
        server = self._server
        if not permitted:
            context.abort(UNAUTHENTICATED, server.refusal(""))
        call = Call(requests, context, server)
        server._calls.append(call)
        threading.Thread(target=self._play, args=(call,), daemon=True).start()
        while (message := call.answers.get()) is not None:
            yield message
        if call.status is not grpc.StatusCode.OK:
            context.abort(call.status, "the session goes on elsewhere")

    def _play(self, call: Call) -> None:
        server = self._server
        try:
            server.first_request(call)  # type: ignore[arg-type]
        except ConnectionError:
            if call.session is None:
                server.empty(call)
        finally:
            server.lost(call)  # type: ignore[arg-type]
            call.answers.put(None)


class RightGrpcToken(RightGrpc):
    """The same with a token."""

    token = "s3cret"
