"""Frames over gRPC, the server's side: session streams, health and reflection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain
from typing import Any, Protocol, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from rlmesh._buffers import Frame
from rlmesh._transport.address import Address
from rlmesh._transport.grpc.forks import use
from rlmesh._transport.grpc.open_calls import CallLimit, OpenCalls, read_request
from rlmesh._transport.grpc.options import server_options, target_of
from rlmesh._transport.grpc.threads import HostedStream, StreamHost, StreamThreads
from rlmesh._transport.grpc.tls import server_credentials
from rlmesh._transport.token import WRONG_TOKEN, admits, check_token, log_wrong_token
from rlmesh._transport.unix_socket import OwnedSocket
from rlmesh.errors import AddressError
from rlmesh.options import TLS

__all__ = ["FrameAnswer", "FrameConnection", "FrameService", "GrpcServer"]

_LAST_SECONDS = 0.1
"""How long a session's last frames have to be sent when the server stops."""


MAX_UNOPENED = 256
"""How many streams at once may have sent nothing yet."""

_CUT_SECONDS = 0.1
"""Seconds in which gRPC reports that the connection of a call without a token has broken."""

_LOOKS = threading.BoundedSemaphore(16)
"""Limits how many calls without a token wait for that; each of them holds a thread."""


class FrameAnswer(Protocol):
    """What to send, and whether the stream ends after it."""

    @property
    def frame(self) -> Frame | None:
        """The frame to send; None: nothing, because another connection has taken the session."""
        ...

    @property
    def last(self) -> bool:
        """Whether the stream ends after it."""
        ...

    @property
    def farewell(self) -> Frame:
        """A frame to send last of all; empty: none."""
        ...


class FrameConnection(Protocol):
    """One client's stream."""

    def exchange(self, frame: bytes) -> FrameAnswer:
        """Return the answer to one frame."""
        ...

    def lost(self) -> None:
        """Release what the connection holds, because the stream has ended."""
        ...


@dataclass(frozen=True)
class FrameService:
    """What a server offers, as bytes.

    Attributes:
        name: Full name of the gRPC service.
        describe: Answers `Describe`.
        connect: Makes the connection of a new `Session` stream, given its network peer, a
            function that ends the stream from another thread, one that returns whether the client
            is still connected, one that ends the stream with a last frame, and one that sends a
            frame before the answer of a request.
        shutdown: Called for `Shutdown` with its request; None: clients must not shut the server
            down.
        refused: Called after a client was refused for its token; None: nothing is.
    """

    name: str
    describe: Callable[[], bytes]
    connect: Callable[..., FrameConnection]
    shutdown: Callable[[bytes], None] | None = None
    refused: Callable[[], object] | None = None


class GrpcServer:
    """Serves one `FrameService`; it listens once `start` is called.

    Args:
        service: What is served.
        address: Address to listen on; port 0 picks a free one.
        token: Bearer token that clients must show; empty: none.
        host: Lender of threads for sessions' streams; None: the pool has them all.
        tls: Certificates, for an address with TLS.

    Raises:
        AddressError: If the address cannot be bound.
        RuntimeError: If gRPC cannot be used in this process; see `rlmesh._transport.grpc.forks`.
    """

    def __init__(
        self,
        service: FrameService,
        address: Address,
        token: str = "",
        host: StreamHost | None = None,
        tls: TLS | None = None,
    ) -> None:
        use()
        self._tls = tls
        self._health = health.HealthServicer()
        self._threads = StreamThreads(host)
        self._server = grpc.server(cast("Any", self._threads), options=server_options())
        open_calls: Any = OpenCalls(self._threads.announce_open)
        self._handler = _Handler(service, token, self._threads, open_calls.reading)
        health_pb2_grpc.add_HealthServicer_to_server(self._health, open_calls)
        _add_reflection(open_calls, (service.name, health.SERVICE_NAME))
        self._server.add_generic_rpc_handlers((self._handler, open_calls))
        self._names = ("", service.name)
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        self._socket: OwnedSocket | None = None
        self.address = self._bind(address)

    def start(self) -> None:
        """Accept connections."""
        self._server.start()
        self._set_health(health_pb2.HealthCheckResponse.SERVING)

    def drain(self) -> None:
        """Report NOT_SERVING as the health, because the server is about to stop."""
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)

    def stop(self, grace: float) -> None:
        """Refuse new calls, end open streams after `grace` seconds, and wait for that."""
        self._set_health(health_pb2.HealthCheckResponse.NOT_SERVING)
        stopped = self._server.stop(grace)
        self._handler.end_unopened()
        # Calls other than sessions, such as health watches, need not be waited for.
        self._handler.wait_for_sessions(grace)
        self._server.stop(min(grace, _LAST_SECONDS))
        stopped.wait()
        self._threads.shutdown(wait=False)
        if self._socket is not None:
            self._socket.remove()

    def _set_health(self, status: Any) -> None:
        for name in self._names:
            self._health.set(name, status)

    def _bind(self, address: Address) -> Address:
        try:
            if address.scheme != "unix":
                return replace(address, port=self._listen(address))
            self._socket = OwnedSocket(
                address, lambda path: self._listen(replace(address, path=path))
            )
        except BaseException as error:
            self._server.stop(0)
            if not isinstance(error, OSError):
                raise
            raise AddressError(f"cannot listen on {address}: {error}") from error
        return address

    def _listen(self, address: Address) -> int:
        """Return the port that is listened on; raises AddressError."""
        try:
            if address.scheme == "grpcs":
                credentials = server_credentials(self._tls)
                port = self._server.add_secure_port(target_of(address), credentials)
            else:
                port = self._server.add_insecure_port(target_of(address))
        except RuntimeError:
            port = 0
        if not port:
            raise AddressError(f"cannot listen on {address}: {_refusal(address)}")
        return port


def _refusal(address: Address) -> str:
    """Return why an address cannot be listened on; gRPC writes the reason only to its own log."""
    if address.scheme == "unix":
        return "the socket cannot be bound"
    try:
        found = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
        for family, kind, protocol, _, socket_address in found:
            with socket.socket(family, kind, protocol) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind(socket_address)
                probe.listen()
    except OSError as error:
        return (error.strerror or str(error)).lower()
    if address.scheme == "grpcs":
        return "its certificate or key cannot be used"
    return "in use, or not this host's"


def _add_reflection(server: grpc.Server, names: Sequence[str]) -> None:
    try:
        from grpc_reflection.v1alpha import reflection
    except ImportError:
        return  # An extra: pip install "rlmesh-core[reflection]".
    reflection.enable_server_reflection((*names, reflection.SERVICE_NAME), server)


class _Handler(grpc.GenericRpcHandler):
    """Routes the three methods of a service, after its token."""

    def __init__(
        self, service: FrameService, token: str, threads: StreamThreads, reading: CallLimit
    ) -> None:
        self._reading = reading
        self._service = service
        self._threads = threads
        self._sessions = 0
        self._ended = threading.Condition()
        self._token = check_token(token).encode()
        self._session_path = f"/{service.name}/Session"
        self._unary: dict[str, Any] = {
            f"/{service.name}/Describe": grpc.stream_unary_rpc_method_handler(self._describe),
            f"/{service.name}/Shutdown": grpc.stream_unary_rpc_method_handler(self._shutdown),
        }
        self._unopened = CallLimit(MAX_UNOPENED)
        self._refuse: Any = partial(_refuse, refused=service.refused)

    def end_unopened(self) -> None:
        """End the streams that have sent nothing yet; a stop need not wait for them."""
        self._unopened.cancel_all()

    def wait_for_sessions(self, timeout: float) -> None:
        """Wait until no session's stream is open, but not longer than `timeout` seconds."""
        with self._ended:
            self._ended.wait_for(lambda: not self._sessions, timeout)

    def _count(self, more: int) -> None:
        with self._ended:
            self._sessions += more
            self._ended.notify_all()

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a method; None if there is no such method."""
        path = handler_call_details.method
        admitted = self._admits(handler_call_details.invocation_metadata)
        if path == self._session_path and admitted:
            return self._stream_handler()
        self._threads.announce_open()
        if path == self._session_path:
            return grpc.stream_stream_rpc_method_handler(self._refuse)
        method = self._unary.get(path)
        if method is None or admitted:
            return method
        return grpc.stream_unary_rpc_method_handler(self._refuse)

    def _stream_handler(self) -> Any:
        stream = HostedStream()
        self._threads.announce(stream)
        session: Any = partial(self._session, stream)
        # Answers are sent by a call instead of an iterator, so that another thread can send one.
        session.experimental_non_blocking = True
        return grpc.stream_stream_rpc_method_handler(session)

    def _admits(self, metadata: Any) -> bool:
        if not self._token:
            return True
        authorization = next((value for key, value in metadata or () if key == "authorization"), "")
        return admits(self._token, str(authorization))

    # Handlers of unary methods are those of streams: gRPC would read the request of a unary one
    # before the handler runs, however large the request is, and without a check of its sender.

    def _describe(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        return self._service.describe()

    def _session(
        self,
        stream: HostedStream,
        requests: Iterator[bytes],
        context: grpc.ServicerContext,
        send: Callable[[bytes | None], None],
    ) -> None:
        stream.entered(context)
        self._count(1)
        outgoing = _Outgoing(send)
        connection: FrameConnection = self._service.connect(
            context.peer(),
            context.cancel,
            context.is_active,
            dismiss=lambda farewell: outgoing.end(bytes(farewell)),
            send=lambda frame: outgoing.send(bytes(frame)),
        )
        exchange = connection.exchange
        try:
            with self._unopened.holding(context):
                first = next(requests, None)
            for frame in () if first is None else chain((first,), requests):
                answer = exchange(frame)
                stream.ending = answer.last
                if answer.frame is None:
                    context.abort(grpc.StatusCode.ABORTED, "another connection has the session")
                outgoing.send(bytes(answer.frame))
                if answer.last:
                    outgoing.end(bytes(answer.farewell))
                    return
            outgoing.end(b"")
        except grpc.RpcError as error:
            # The client is gone. grpcio keeps the error with the call, and its traceback would keep
            # the call, and its descriptor, until garbage is collected.
            error.__traceback__ = None
        finally:
            stream.left()
            connection.lost()
            self._count(-1)

    def _shutdown(self, requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        if self._service.shutdown is None:
            context.abort(
                grpc.StatusCode.PERMISSION_DENIED, "K-8: this server may not be shut down remotely"
            )
        else:
            with self._reading.holding(context):
                request = read_request(requests, context)
            self._service.shutdown(request)
        return b""


class _Outgoing:
    """Sender of a stream's frames, used by the thread that answers it and by one that ends it.

    Args:
        send: Function of gRPC that sends a frame; None ends the stream.
    """

    def __init__(self, send: Callable[[bytes | None], None]) -> None:
        self._send = send
        self._lock = threading.Lock()
        self._over = False

    def send(self, frame: bytes) -> None:
        """Send a frame, unless the stream has ended."""
        with self._lock:
            if not self._over:
                self._send(frame)

    def end(self, farewell: bytes) -> None:
        """End the stream with status OK, after a last frame if there is one."""
        with self._lock:
            if not self._over:
                self._over = True
                if farewell:
                    self._send(farewell)
                self._send(None)


def _refuse(
    requests: Iterator[bytes],
    context: grpc.ServicerContext,
    refused: Callable[[], object] | None = None,
) -> Any:
    if not _is_cut(context):
        log_wrong_token(context.peer())
        if refused is not None:
            refused()
    context.abort(grpc.StatusCode.UNAUTHENTICATED, WRONG_TOKEN)


def _is_cut(context: grpc.ServicerContext) -> bool:
    """Return whether a call without a token has none because its connection broke.

    gRPC passes on a call whose headers have not come whole, with those that have come: none, or
    its own "user-agent", which clients send before the token.
    """
    if not context.invocation_metadata():
        return True
    if not _LOOKS.acquire(blocking=False):
        return False
    try:
        ended = threading.Event()
        return not context.add_callback(ended.set) or ended.wait(_CUT_SECONDS)
    finally:
        _LOOKS.release()
