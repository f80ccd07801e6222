"""Calls that need no token: health and reflection, with few threads and little memory.

gRPC reads the request of a unary call before the handler runs, up to the limit that sessions need,
and a call without a request holds a thread until one comes. So each of these methods is served as
a stream, which is read by the handler itself: a handler can refuse a call before it reads, and a
call that gets in the way of others can be cancelled.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections import Counter
from collections.abc import Callable, Generator, Iterator
from typing import Any, NamedTuple

import grpc

__all__ = ["MAX_REQUEST_BYTES", "CallLimit", "OpenCalls", "read_request"]

MAX_REQUEST_BYTES = 4096
"""Largest request of a unary call, in bytes."""

MAX_READING = 16
"""Max number of calls without a token that receive a request at once, because a request may become
as large as a message of a session before it is refused."""

MAX_CONVERSING = 4
"""Max number of streams without a token that receive a request at once."""

MAX_OPEN_CALLS = 64
"""Max number of calls without a token that are open at once."""

_READING_SECONDS = 1.0
"""How long a request of a few bytes may take to come."""

_SPARED_SECONDS = 0.05
"""How long no call is cancelled after it began; a request that comes with its headers is read by
then."""


class _HeldCall(NamedTuple):
    begun: float
    context: grpc.ServicerContext
    peer: str


class CallLimit:
    """A limit to calls that are doing something: one call more cancels another one.

    That is the oldest call of the connection with most calls, so that a client that holds calls up
    takes no place that another client could use.

    Args:
        max_calls: Max number of calls at once.
        seconds: How long a call may take; 0: any time.
    """

    def __init__(self, max_calls: int, seconds: float = 0.0) -> None:
        self._max_calls = max_calls
        self._seconds = seconds
        self._changed = threading.Condition()
        self._calls: dict[object, _HeldCall] = {}

    @contextlib.contextmanager
    def holding(self, context: grpc.ServicerContext) -> Generator[None, None, None]:
        """Count a call, and cancel another one if there are too many."""
        key = object()
        self._enter(key, context)
        watch = threading.Timer(self._seconds, context.cancel) if self._seconds else None
        try:
            if watch is not None:
                watch.daemon = True
                watch.start()
            yield
        finally:
            if watch is not None:
                watch.cancel()
            with self._changed:
                self._calls.pop(key, None)
                self._changed.notify()

    def cancel_all(self) -> None:
        """Cancel every call that is counted."""
        with self._changed:
            calls = list(self._calls.values())
        for call in calls:
            call.context.cancel()

    def _enter(self, key: object, context: grpc.ServicerContext) -> None:
        call = _HeldCall(time.monotonic(), context, context.peer())
        with self._changed:
            while len(self._calls) >= self._max_calls:
                counts = Counter(held.peer for held in self._calls.values())
                most = max(counts.values())
                oldest = next(p for p, held in self._calls.items() if counts[held.peer] == most)
                victim = self._calls[oldest]
                # A connection with several calls has none that is spared.
                spared = victim.begun + _SPARED_SECONDS - call.begun if most == 1 else 0.0
                if spared <= 0:
                    del self._calls[oldest]
                    victim.context.cancel()
                else:
                    self._changed.wait(spared)
                    call = call._replace(begun=time.monotonic())
            self._calls[key] = call


def read_request(requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
    """Return the one request of a call; abort the call if the request is large or missing."""
    request = next(requests, None)
    if request is None:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "B-1: a call without a request")
    if len(request) > MAX_REQUEST_BYTES:
        words = f"M-1: a request of {len(request)} bytes; the limit is {MAX_REQUEST_BYTES}"
        context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, words)
    return request


class OpenCalls(grpc.GenericRpcHandler):
    """Serves the methods of services that are added to it as to a server.

    Args:
        announce: Called before the work of a call is submitted.

    Attributes:
        reading: The limit to calls that receive a request.
    """

    def __init__(self, announce: Callable[[], None]) -> None:
        self._announce = announce
        self._services: list[grpc.GenericRpcHandler] = []
        self._open = CallLimit(MAX_OPEN_CALLS)
        self._conversing = CallLimit(MAX_CONVERSING)
        self.reading = CallLimit(MAX_READING, _READING_SECONDS)

    def add_generic_rpc_handlers(self, handlers: Any) -> None:
        """Take the handlers of a service, as `grpc.Server` does."""
        self._services.extend(handlers)

    def add_registered_method_handlers(self, service: str, handlers: Any) -> None:
        """Ignore what newer generated code registers besides."""

    def service(self, handler_call_details: Any) -> Any:
        """Return the handler of a method; None if there is no such method."""
        for service in self._services:
            handler: Any = service.service(handler_call_details)
            if handler is not None:
                self._announce()
                return self._served(handler)
        return None

    def _served(self, handler: Any) -> Any:
        """Return a handler that reads the request itself."""
        behaviour = (
            handler.unary_unary
            or handler.unary_stream
            or handler.stream_stream
            or handler.stream_unary
        )

        def answer(requests: Iterator[bytes], context: Any) -> Any:
            given = self._input(handler, requests, context)
            with self._open.holding(context):
                return behaviour(given, context)

        def answers(requests: Iterator[bytes], context: Any) -> Iterator[Any]:
            # A client that has gone, or was cancelled, ends the iteration.
            with contextlib.suppress(grpc.RpcError):
                given = self._input(handler, requests, context)
                with self._open.holding(context):
                    yield from behaviour(given, context)

        if handler.response_streaming:
            return grpc.stream_stream_rpc_method_handler(
                answers, response_serializer=handler.response_serializer
            )
        return grpc.stream_unary_rpc_method_handler(
            answer, response_serializer=handler.response_serializer
        )

    def _input(self, handler: Any, requests: Iterator[bytes], context: Any) -> Any:
        """Return what a method takes: its one request, or an iterator of requests."""
        read: Callable[[bytes], Any] = handler.request_deserializer
        if handler.request_streaming:
            return self._all(requests, context, read)
        with self.reading.holding(context):
            request = read_request(requests, context)
        return _parsed(request, context, read)

    def _all(
        self, requests: Iterator[bytes], context: Any, read: Callable[[bytes], Any]
    ) -> Iterator[Any]:
        while True:
            # A tool may keep its stream open, so there are fewer of these, and no time limit.
            with self._conversing.holding(context):
                request = next(requests, None)
            if request is None:
                return
            yield _parsed(read_request(iter((request,)), context), context, read)


def _parsed(request: bytes, context: Any, read: Callable[[bytes], Any]) -> Any:
    try:
        return read(request)
    except Exception:  # Protobuf's implementations have no common one.
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "G-1: the request cannot be parsed")
