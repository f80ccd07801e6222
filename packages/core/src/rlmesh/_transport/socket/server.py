"""`FramesServer`: accepts connections of frames, for sessions that begin here or are resumed."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Protocol

from rlmesh._buffers import Frame
from rlmesh._logs import logger
from rlmesh._messages import env as m
from rlmesh._transport.socket.descriptors import has_room
from rlmesh._transport.socket.first_requests import FirstRequests
from rlmesh._transport.socket.framing import (
    FirstFrameTooLong,
    FramesEnded,
    FrameSocket,
    any_size,
    peer_name,
)
from rlmesh._wire.frames_alone import write_connection_error
from rlmesh.backends import Buffer

__all__ = ["BACKLOG", "Admit", "FramesServer"]

_log = logger("rlmesh.server")

BACKLOG = 128
"""Number of connections that the kernel keeps until they are accepted."""

MAX_STREAMS = 1024
"""How many connections may be open at once."""

_PAUSE_SECONDS = 0.1
"""Pause after a connection could not be accepted, in seconds."""

_FIRST_SECONDS = 10.0
"""How long a client has for TLS, its token and its first frame together."""


class _Connection(Protocol):
    """See `rlmesh._session.server_connection.ServerConnection`."""

    def exchange(self, frame: Buffer) -> Any:
        """Return the answer to one frame."""
        ...

    def run_stream(self, stream: _Stream) -> bool:
        """Have the session's own thread run the stream, or refuse."""
        ...

    @property
    def farewell(self) -> Frame:
        """Frame that ends a stream that waits for a request; empty: none."""
        ...

    @property
    def interrupted(self) -> Frame:
        """Answer to a request after its call was interrupted; empty: none was."""
        ...

    def lost(self) -> None:
        """Release what the connection holds, because it has ended."""
        ...


class Admit(Protocol):
    """Admission of connections to a listener."""

    def __call__(
        self, connected: socket.socket, deadline: float, begun: Callable[[FrameSocket], object], /
    ) -> FrameSocket:
        """Return the frames of a connected socket.

        Args:
            connected: The socket.
            deadline: When its first request must have come (monotonic seconds).
            begun: Called with the frames before anything is received; it may be cut from then on.

        Raises:
            FramesEnded: If the peer may not enter.
            OSError: If it breaks the rules of TLS, or is too slow.
        """
        ...


class FramesServer:
    """Accepts connections on one listener.

    Args:
        listener: The socket, bound.
        admit: Makes frames of a connected socket; see `Admit`.
        connect: Makes the connection of a new client, given its peer's name and functions that
            end it from another thread, return whether the client is still connected, allocate its
            large answers, and return whether its process is known to have ended.
        farewell: Frame for a client that connects while the server stops.
    """

    def __init__(
        self,
        listener: socket.socket,
        admit: Admit,
        connect: Callable[..., _Connection],
        farewell: Frame,
    ) -> None:
        self._farewell = farewell
        self._listener = listener
        self._admit = admit
        self._connect = connect
        self._streams: set[_Stream] = set()
        # Frames of clients that have not sent their first request, the oldest first.
        self._strangers: dict[socket.socket, FrameSocket] = {}
        self._first_requests = FirstRequests()
        self._changed = threading.Condition()
        self._welcoming = 0
        self._stopping = False
        self._acceptor: threading.Thread | None = None

    def start(self) -> None:
        """Accept clients."""
        self._listener.listen(BACKLOG)
        self._acceptor = threading.Thread(target=self._accept, name="rlmesh-frames", daemon=True)
        self._acceptor.start()

    def stop(self, grace: float) -> None:
        """Stop accepting, and end the open connections after `grace` seconds."""
        with self._changed:
            self._stopping = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        if self._acceptor is not None:
            # Closed under it, the number could be another listener's when it accepts again.
            self._acceptor.join(_PAUSE_SECONDS * 2)
        self._listener.close()
        with self._changed:
            for stream in self._streams:
                if not stream.has_asked:
                    stream.dismiss(self._farewell)
            self._changed.wait_for(lambda: not self._streams, grace)
            streams = list(self._streams)
        for stream in streams:
            stream.cancel()

    def _accept(self) -> None:
        while True:
            try:
                connected, _ = self._listener.accept()
            except OSError as error:
                if self._stopping:
                    return
                _log.warning("frames: a connection was not accepted: %s", error)
                time.sleep(_PAUSE_SECONDS)  # Of descriptors there may be some again.
                continue
            if not self._begin(connected):
                connected.close()

    def _begin(self, connected: socket.socket) -> bool:
        """Welcome a client on a thread of its own, if there is room for one more."""
        with self._changed:
            full = self._welcoming + len(self._streams) >= MAX_STREAMS
            if (full or not has_room(connected)) and not self._cut_stranger() and full:
                _log.warning("frames: %d connections are open; one more is refused", MAX_STREAMS)
                return False
            self._welcoming += 1
        try:
            threading.Thread(
                target=self._welcome, args=(connected,), name="rlmesh-frames", daemon=True
            ).start()
        except RuntimeError as error:
            self._welcomed()
            _log.warning("frames: a connection was refused: %s", error)
            return False
        return True

    def _cut_stranger(self) -> bool:
        """End the oldest connection without a first request; return False if there is none."""
        stranger = next(iter(self._strangers), None)
        if stranger is None:
            return False
        self._strangers.pop(stranger).cut()
        return True

    def _begun(self, connected: socket.socket, frames: FrameSocket) -> None:
        with self._changed:
            self._strangers[connected] = frames

    def _asked(self, connected: socket.socket) -> None:
        with self._changed:
            self._strangers.pop(connected, None)

    def _welcomed(self) -> None:
        with self._changed:
            self._welcoming -= 1

    def _welcome(self, connected: socket.socket) -> None:
        """Play a client's session, on the session's own thread if that is free."""
        stream = self._stream_of(connected)
        if stream is not None and stream.begin() and not stream.hosted():
            stream.run()

    def _stream_of(self, connected: socket.socket) -> _Stream | None:
        """Return a client's stream; None: it may not enter."""
        peer = peer_name(connected)
        try:
            deadline = time.monotonic() + _FIRST_SECONDS
            frames = self._admit(connected, deadline, partial(self._begun, connected))
        except (FramesEnded, OSError) as error:
            _log.debug("a peer of frames, %s, was refused: %s", peer, error)
            self._asked(connected)
            connected.close()
            self._welcomed()
            return None
        asked = partial(self._asked, connected)
        stream = _Stream(frames, peer, self._connect, asked, self._ended, self._first_requests)
        with self._changed:
            self._welcoming -= 1
            if not self._stopping:
                self._streams.add(stream)
                return stream
        asked()
        frames.refuse(self._farewell)
        return None

    def _ended(self, stream: _Stream) -> None:
        with self._changed:
            self._streams.discard(stream)
            self._changed.notify_all()


class _Stream:
    """One client's frames; see `rlmesh._env_host.env_thread.Stream`."""

    def __init__(
        self,
        frames: FrameSocket,
        peer: str,
        connect: Callable[..., _Connection],
        asked: Callable[[], object],
        ended: Callable[..., None],
        first_requests: FirstRequests,
    ) -> None:
        self.ending = False
        self.has_asked = False
        self._dismissal: Frame = b""
        self._frames = frames
        self._asked = asked
        self._ended = ended
        self._first_requests = first_requests
        self._connection = connect(
            peer,
            frames.cut,
            frames.is_connected,
            frames.allocate_later,
            shares_memory=frames.shares_memory,
            ended=frames.peer_has_ended,
            dismiss=lambda farewell: frames.wake(),
            send=self._report,
        )

    def begin(self) -> bool:
        """Answer the first frame; whether the session goes on here."""
        try:
            answer = self._answer_first()
            if answer.frame is not None:
                self._frames.answer_first(answer.frame)
            if answer.last:
                self._frames.finish()
            going_on = not answer.last
        except (FramesEnded, OSError) as error:
            going_on = False
            refusal = self._dismissal
            if isinstance(error, FirstFrameTooLong):
                failure = m.Failure(m.ErrorCode.MALFORMED, f"B-16: {error}")
                refusal = write_connection_error(failure)
            if refusal:
                self._frames.refuse(refusal)
        if not going_on:
            self._end()
        return going_on

    def _report(self, frame: Frame) -> None:
        with contextlib.suppress(FramesEnded, OSError):  # The call goes on without its client.
            self._frames.send_report(frame)

    def _answer_first(self) -> Any:
        """Receive the first frame, and return the answer to it."""
        frames, requests = self._frames, self._first_requests
        requests.begin(frames)
        frames.grow_first = partial(requests.grow, frames)
        try:
            try:
                first = frames.receive_first()
            finally:
                self._asked()
            requests.received(frames)
            self.has_asked = True
            # The answer may take long, if the client waits for an environment or one is made.
            frames.welcomed()
            return self._connection.exchange(first)
        finally:
            frames.grow_first = any_size  # The other one refers to the frames themselves.
            requests.end(frames)

    def hosted(self) -> bool:
        """Return whether the session's own thread runs the rest."""
        return self._connection.run_stream(self)

    def run(self) -> None:
        """Answer frames until the client is gone."""
        receive, exchange, send = self._frames.receive, self._connection.exchange, self._frames.send
        try:
            while True:
                answer = exchange(receive())
                self.ending = answer.last
                if answer.frame is not None:
                    send(answer.frame)
                if answer.last:
                    if answer.farewell:
                        send(answer.farewell)
                    return
        except (FramesEnded, OSError):
            # The client is gone, or the server is stopped.
            if farewell := self._connection.farewell:
                with contextlib.suppress(OSError):
                    send(farewell)
        except BaseException:
            # Ctrl-C has interrupted the call, which the end of the connection does not show.
            if answered := self._connection.interrupted:
                with contextlib.suppress(OSError):
                    send(answered)
            raise
        finally:
            self._end()

    def dismiss(self, farewell: Frame) -> None:
        """End the wait for the first frame, from another thread, and send the reason."""
        self._dismissal = farewell
        self._frames.wake()

    def cancel(self) -> None:
        """End it, from another thread."""
        self._frames.cut()

    def _end(self) -> None:
        self.ending = True
        self._frames.close()
        self._connection.lost()
        self._ended(self)
