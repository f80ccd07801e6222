"""One stream of frames from one client: the order of its requests."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from rlmesh._session.sessions import ServedSession
from rlmesh._wire import messages as m
from rlmesh.errors import CodecError

if TYPE_CHECKING:
    from rlmesh._session.hub import SessionHub

__all__ = ["Answer", "Connection"]

_log = logging.getLogger("rlmesh.server")


class Answer(NamedTuple):
    """What a transport does next: send `frame`, if there is one, and end the stream if `last`."""

    frame: bytes | None
    last: bool = False


_REPLACED = Answer(None, last=True)
"""To a frame of a connection that another one has taken the session from."""


class Connection:
    """One stream of frames from one client.

    Args:
        hub: The endpoint.
        peer: Network peer, for messages.
        cut: Ends the stream, from another thread.
        alive: Whether the client is still there.
    """

    def __init__(
        self, hub: SessionHub, peer: str, cut: Callable[[], object], alive: Callable[[], bool]
    ) -> None:
        self.peer = peer
        self.alive = alive
        self._hub = hub
        self._cut = cut
        self._session: ServedSession | None = None

    def cut(self) -> None:
        """See `Link`."""
        self._cut()

    def exchange(self, frame: bytes) -> Answer:
        """The answer to one frame. Every frame gets exactly one, or ends the stream."""
        try:
            request = self._hub.read(frame)
        except CodecError as error:
            # It concerns the connection alone: the session may be resumed.
            failure = m.Failure(m.ErrorCode.MALFORMED, str(error), session_closed=True)
            return Answer(self._hub.write(0, failure), last=True)
        session = self._session
        if session is None:
            return self._open(request)
        if not session.begin(self):
            return _REPLACED
        current = True
        try:
            answer = self._next(session, request)
        finally:
            current = session.finish(self)
        if answer.last:
            self._hub.close(session)
        return answer if current else _REPLACED

    def lost(self) -> None:
        """The stream has ended, for whatever reason."""
        session, self._session = self._session, None
        if session is not None:
            self._hub.lost(session, self)

    def _open(self, request: m.Request) -> Answer:
        body = request.body
        if not isinstance(body, m.Open) or request.sequence != 0:
            failure = m.Failure(
                m.ErrorCode.MALFORMED if _is_open(body) else m.ErrorCode.WRONG_STATE,
                f"the first request of a stream is Open with sequence 0, got {_words(body)} with "
                f"sequence {request.sequence}",
                session_closed=True,
            )
            return Answer(self._hub.write(request.sequence, failure), last=True)
        self._session, reply = self._hub.open(body, self)
        return Answer(self._hub.write(0, reply), last=self._session is None)

    def _next(self, session: ServedSession, request: m.Request) -> Answer:
        sequence = request.sequence
        if sequence == session.received and session.kept:
            return Answer(session.kept)
        if sequence != session.received + 1:
            failure = m.Failure(
                m.ErrorCode.OUT_OF_SEQUENCE,
                f"expected sequence {session.received + 1}, or {session.received} again, got "
                f"{sequence}",
            )
            return Answer(self._hub.write(sequence, failure))
        session.received = sequence
        session.kept = b""
        body = request.body
        if type(body) is m.Step:
            reply, call_us = self._hub.play(session, body)
        elif isinstance(body, m.Close):
            reply, call_us = m.Closed(), 0
        else:
            reply, call_us = self._reply(session, body)
        session.kept = self._write(sequence, reply, call_us)
        over = isinstance(reply, m.Closed) or (
            isinstance(reply, m.Failure) and reply.session_closed
        )
        return Answer(session.kept, over)

    def _reply(self, session: ServedSession, body: m.RequestBody) -> tuple[m.Reply, int]:
        if _is_open(body):
            return m.Failure(m.ErrorCode.WRONG_STATE, "the session is open already"), 0
        if isinstance(body, m.Malformed):
            return m.Failure(m.ErrorCode.MALFORMED, body.reason, path=body.path), 0
        if isinstance(body, m.Unsupported):
            words = f"this server does not support {body.kind}"
            return m.Failure(m.ErrorCode.UNSUPPORTED, words), 0
        return self._hub.play(session, body)

    def _write(self, sequence: int, reply: m.Reply, call_us: int) -> bytes:
        try:
            return self._hub.write(sequence, reply, call_us)
        except Exception as error:
            # The step has been applied; the client must learn that its answer cannot be told.
            _log.exception("the answer to request %d cannot be written", sequence)
            failure = m.Failure(m.ErrorCode.INVALID_RESULT, f"the answer cannot be sent: {error}")
            return self._hub.write(sequence, failure)


def _is_open(body: m.RequestBody) -> bool:
    return isinstance(body, m.Open) or (isinstance(body, m.Malformed) and body.kind == "open")


def _words(body: m.RequestBody) -> str:
    """A request in words."""
    if isinstance(body, m.Malformed):
        return f"a malformed {body.kind} ({body.reason})"
    return type(body).__name__
