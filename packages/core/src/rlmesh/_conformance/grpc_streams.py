"""gRPC as bytes: streams and calls without the generated stubs."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Iterator
from typing import Any

import grpc

from rlmesh._conformance.streams import Ended, Silent
from rlmesh._transport.certificates import pem
from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh.options import TLS

__all__ = ["GrpcStream", "call_grpc", "open_channel", "status_of"]

MAX_UNREAD = 16
"""Largest number of messages that are received before they are asked for."""

_OPTIONS = [
    ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES),
    ("grpc.max_send_message_length", -1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.use_local_subchannel_pool", 1),
]


def open_channel(target: str, tls: TLS | None, secure: bool) -> Any:
    """Return a channel of its own connection.

    Args:
        target: gRPC's name of the address ("127.0.0.1:5555", "unix:/path").
        tls: Certificates of a secure channel; None: those of the system.
        secure: Whether the channel has TLS.
    """
    if not secure:
        return grpc.insecure_channel(target, options=_OPTIONS)
    given = {} if tls is None else {k: pem(v) for k, v in vars(tls).items()}
    credentials = grpc.ssl_channel_credentials(
        given.get("authority"), given.get("key"), given.get("certificate")
    )
    return grpc.secure_channel(target, credentials, options=_OPTIONS)


def status_of(error: Any) -> str:
    """Return the name of the status of a call that has failed."""
    code = error.code() if hasattr(error, "code") else None
    return getattr(code, "name", "UNKNOWN")


def call_grpc(
    channel: Any, method: str, message: bytes, metadata: list[tuple[str, str]], timeout: float
) -> tuple[str, bytes, str]:
    """Return status, answer and details of a call with one request and one answer."""
    call = channel.unary_unary(method)
    try:
        return "OK", call(message, timeout=timeout, metadata=metadata), ""
    except grpc.RpcError as error:
        details: Any = error
        return status_of(error), b"", str(details.details())


class GrpcStream:
    """A `Session` call. The channel is the stream's own, so that it can lose its connection."""

    def __init__(self, channel: Any, method: str, metadata: list[tuple[str, str]]) -> None:
        self._channel = channel
        self._sent: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        # Bounded, so that a server that sends without end fills no memory.
        self._received: queue.Queue[bytes | Ended] = queue.Queue(MAX_UNREAD)
        self._end: Ended | None = None
        self._call: Any = channel.stream_stream(method)(
            iter(self._sent.get, None), metadata=metadata
        )
        self._receiver = threading.Thread(
            target=self._receive, args=(self._call,), name="check-stream", daemon=True
        )
        self._receiver.start()

    def _receive(self, messages: Iterator[bytes]) -> None:
        try:
            for message in messages:
                self._received.put(message)
            self._received.put(Ended("OK"))
        except grpc.RpcError as error:
            self._received.put(Ended(status_of(error)))

    def send(self, message: bytes) -> None:
        """Send a message."""
        self._sent.put(message)

    def receive(self, timeout: float) -> bytes:
        """Return the next message."""
        if self._end is not None:
            raise self._end
        try:
            received = self._received.get(timeout=timeout)
        except queue.Empty:
            raise Silent from None
        if isinstance(received, Ended):
            self._end = received
            raise received
        return received

    def cut(self) -> None:
        """Close the channel, and with it the connection."""
        call, self._call = self._call, None
        if call is None:
            return
        self._sent.put(None)
        call.cancel()
        self._channel.close()
        self._drain()
        # The call is freed here and not when the interpreter ends: by then a thread of gRPC may
        # have been killed while it held the call's lock, and freeing would wait for ever.
        self._receiver.join()

    def _drain(self) -> None:
        """Drop what has come, so that the thread that receives can end."""
        while self._receiver.is_alive():
            with contextlib.suppress(queue.Empty):
                self._received.get(timeout=0.01)

    def half_close(self) -> None:
        """End this end's half of the stream."""
        self._sent.put(None)
