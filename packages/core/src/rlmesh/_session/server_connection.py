"""`ServerConnection`: one stream of frames from one client, and the order of its requests."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

from rlmesh._buffers import Frame, FrameAllocator, join_parts
from rlmesh._messages import env as m
from rlmesh._messages.kinds import kind_of
from rlmesh._session.server_session import ServerSession
from rlmesh._session.session_manager import SessionManager
from rlmesh._wire.field_writer import aligned_from
from rlmesh._wire.frames_alone import describe_frame
from rlmesh.backends import Buffer
from rlmesh.errors import CodecError

__all__ = ["Answer", "ServerConnection", "no"]


class Answer(NamedTuple):
    """What a transport does next: send `frame`, if there is one, and end the stream if `last`.

    Before it ends the stream, it sends `farewell` if that is not empty: a frame that answers no
    request and has the reason (K-9).
    """

    frame: Frame | None
    last: bool = False
    farewell: Frame = b""


_CLOSED = "closed by its client"
"""Reason for the end of a session after the request Close."""

_REPLACED = Answer(None, last=True)
"""Answer on a connection after another one has resumed its session: end the stream."""


def no() -> bool:
    """Return False: the default of what a transport may know or have."""
    return False


class ServerConnection:
    """One stream of frames from one client; see `ClientLink`.

    Args:
        manager: The sessions of the server.
        peer: Network peer, for messages.
        cut: Ends the stream, from another thread.
        alive: Returns whether the client is still connected.
        allocate: Allocator of large answers.
        shares_memory: Returns whether that allocates memory that is shared with the client.
        resumes: Whether the connection only accepts sessions that are resumed.
        describes: Whether the connection may ask for a description in place of a session (B-15).
        ended: Returns whether the client's process is known to have ended.
        dismiss: Ends the stream with a last frame, from another thread; None: `cut` is called.
        send: Sends a frame while a request is being answered; never raises. None: the transport
            sends answers alone.

    Attributes:
        interrupted: Answer to a request of which Ctrl-C has interrupted the call; empty: none was.
    """

    def __init__(
        self,
        manager: SessionManager,
        peer: str,
        cut: Callable[[], object],
        alive: Callable[[], bool],
        allocate: FrameAllocator = join_parts,
        *,
        shares_memory: Callable[[], bool] = no,
        resumes: bool = False,
        describes: bool = False,
        ended: Callable[[], bool] = no,
        dismiss: Callable[[Frame], object] | None = None,
        send: Callable[[Frame], object] | None = None,
    ) -> None:
        self._dismiss = dismiss
        self._send = send
        self.moves = resumes
        self._describes = describes
        self._has_resumed = False
        self.ended = ended
        self.peer = peer
        self.alive = alive
        self._manager = manager
        self._cut = cut
        self._allocate = allocate
        self._shares_memory = shares_memory
        self._aligned = 0
        self._session: ServerSession | None = None
        self.interrupted: Frame = b""

    def cut(self) -> None:
        """End the stream; see `ClientLink.cut`."""
        self._cut()

    def dismiss(self) -> None:
        """End the stream with the farewell; see `ClientLink.dismiss`."""
        if self._dismiss is None:
            self._cut()
        else:
            self._dismiss(self.farewell)

    @property
    def farewell(self) -> Frame:
        """Frame that ends a stream that waits for a request; empty: none."""
        return (
            self._manager.farewell if self._session is not None and self._manager.stopping else b""
        )

    def exchange(self, frame: Buffer) -> Answer:
        """Return the answer to one frame. Every frame gets exactly one, or ends the stream."""
        try:
            request = self._manager.read(frame)
        except CodecError as error:
            # The error concerns only the connection; the session may be resumed.
            failure = m.Failure(m.ErrorCode.MALFORMED, str(error), session_closed=True)
            self._manager.report(failure)
            return Answer(self._manager.write(0, failure), last=True)
        session = self._session
        if session is None:
            return self._open(request)
        if not session.begin(self):
            return _REPLACED
        current = True
        try:
            answer = self._next(session, request, frame)
        finally:
            current = session.finish(self)
        if answer.last:
            closed = isinstance(request.body, m.Close)
            self._manager.close(session, _CLOSED if closed else "its environment is gone")
        elif current and self._manager.stopping:
            return answer._replace(last=True, farewell=self._manager.farewell)
        return answer if current else _REPLACED

    def run_stream(self, stream: Any) -> bool:
        """Run the rest of the connection on the session's own thread; return False if refused."""
        session = self._session
        if session is None:
            return False
        return session.servicer.run_stream(
            stream, takes_over=lambda: self._has_resumed and session.is_on(self)
        )

    def lost(self) -> None:
        """Detach the session, because the stream has ended for any reason."""
        session, self._session = self._session, None
        if session is not None:
            self._manager.lost(session, self)

    def _open(self, request: m.Request) -> Answer:
        body = request.body
        if self.moves and isinstance(body, m.Open) and body.resume is None:
            failure = m.Failure(
                m.ErrorCode.WRONG_STATE,
                "B-13: sessions begin at the server's own address, and are resumed here",
                session_closed=True,
            )
            return Answer(self._manager.write(request.sequence, failure), last=True)
        if self._describes and isinstance(body, m.Describe) and request.sequence == 0:
            return Answer(describe_frame(self._manager.description), last=True)
        if not isinstance(body, m.Open) or request.sequence != 0:
            failure = _first_refusal(request).ended()
            self._manager.refuse_client("", self.peer, failure)
            return Answer(self._manager.write(request.sequence, failure), last=True)
        self._session, reply = self._manager.open(body, self)
        self._has_resumed = body.resume is not None
        asked = self._manager.aligns(body.client)
        self._aligned = aligned_from(self._shares_memory(), asked)
        return Answer(self._manager.write(0, reply), last=self._session is None)

    def _next(self, session: ServerSession, request: m.Request, frame: Buffer) -> Answer:
        sequence = request.sequence
        if sequence == session.received and session.kept:
            return Answer(session.kept)
        if sequence != session.received + 1:
            failure = m.Failure(
                m.ErrorCode.OUT_OF_SEQUENCE,
                f"Q-5: expected sequence {session.received + 1}, or {session.received} again, got "
                f"{sequence}",
            )
            self._manager.report(failure)
            return Answer(self._manager.write(sequence, failure))
        session.received = sequence
        session.kept = b""
        body = request.body
        if type(body) is not m.Step:
            refusal = _refusal(body)
            if refusal is not None:
                self._manager.report(refusal)
                session.kept = self._manager.write(sequence, refusal)
                return Answer(session.kept)
            if self._send is not None and session.wants_progress:
                request = request._replace(report=partial(self._report, sequence))
        try:
            session.kept, reply = self._manager.play(
                session, request, frame, self._allocate, self._aligned
            )
        except BaseException:
            # Ctrl-C stops the server in the middle of the call. A client that sends the request
            # again must get an answer to it, not an error about its sequence number.
            message = "the server was stopped during this call"
            stopped = m.Failure(m.ErrorCode.SHUTTING_DOWN, message, session_closed=True)
            session.kept = self.interrupted = self._manager.write(sequence, stopped)
            raise
        over = isinstance(body, m.Close) or (isinstance(reply, m.Failure) and reply.session_closed)
        return Answer(session.kept, over)

    def _report(self, sequence: int, progress: m.Progress) -> None:
        """Send a report of progress to the client, which goes on waiting for its answer."""
        assert self._send is not None
        self._send(self._manager.write(sequence, progress))


def _first_refusal(request: m.Request) -> m.Failure:
    """Return why a request is not one that opens a session."""
    body = request.body
    if isinstance(body, m.Malformed) and _is_open(body) and request.sequence == 0:
        return m.Failure(m.ErrorCode.MALFORMED, f"H-3: {body.reason}", path=body.path)
    return m.Failure(
        m.ErrorCode.MALFORMED if _is_open(body) else m.ErrorCode.WRONG_STATE,
        f"H-2: the first request is open with sequence 0, got {kind_of(body)} with "
        f"sequence {request.sequence}",
    )


def _refusal(body: m.RequestBody) -> m.Failure | None:
    """Return why a body is not a request that a servicer can apply; None if it is one."""
    if _is_open(body):
        return m.Failure(m.ErrorCode.WRONG_STATE, "N-3: the session is open already")
    if isinstance(body, m.Describe):
        return m.Failure(m.ErrorCode.WRONG_STATE, "B-15: describe is the first request, if any")
    if isinstance(body, m.Malformed):
        return m.Failure(m.ErrorCode.MALFORMED, body.reason, path=body.path)
    if isinstance(body, m.Unsupported):
        message = f"H-10: this server does not support {body.kind}"
        return m.Failure(m.ErrorCode.UNSUPPORTED, message)
    return None


def _is_open(body: m.RequestBody) -> bool:
    return isinstance(body, m.Open) or (isinstance(body, m.Malformed) and body.kind == "open")
