"""The server's side of a session: the handshake, the holder, the order of requests.

Nothing here does I/O: a transport hands in frames and sends what comes back.
"""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from rlmesh._session.versions import compatible
from rlmesh._wire import messages as m
from rlmesh._wire.frames import EnvFrames
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.errors import CodecError
from rlmesh.specs import EnvContract, PeerInfo, SessionTerms

__all__ = ["Answer", "Connection", "EnvPlayer", "SessionHub"]

_log = logging.getLogger("rlmesh.server")


class EnvPlayer(Protocol):
    """Who plays the requests of a session. Never raises for a fault of the environment."""

    def play(self, body: m.RequestBody) -> m.Reply:
        """Apply one request to the environment."""
        ...


class Answer(NamedTuple):
    """What a transport does next: send `frame`, and end the stream if `last`."""

    frame: bytes
    last: bool = False


@dataclass
class _Session:
    """One client's exclusive use of the environment."""

    id: str
    client: PeerInfo
    peer: str
    since: float = field(default_factory=time.monotonic)
    received: int = 0
    last_frame: bytes = b""


class SessionHub:
    """Gives the one environment to one session at a time.

    Args:
        contract: What is served.
        server: What this endpoint says of itself.
        terms: What it promises to sessions.
        player: Who plays the requests.
        frames: Reads and writes frames.
        run: Runs a call on the environment's thread and returns its result.

    Attributes:
        read: The request of a frame; raises CodecError.
        write: The frame of a reply.
    """

    def __init__(
        self,
        contract: EnvContract,
        server: PeerInfo,
        terms: SessionTerms,
        player: EnvPlayer,
        frames: EnvFrames,
        run: Callable[[Callable[[m.RequestBody], m.Reply], m.RequestBody], m.Reply],
    ) -> None:
        self._contract = contract
        self._server = server
        self._terms = terms
        self._player = player
        self._frames = frames
        self.read = frames.read_request
        self.write = frames.write_reply
        self._run = run
        self._lock = threading.Lock()
        self._holder: _Session | None = None

    @property
    def description(self) -> bytes:
        """The answer of `Describe`."""
        return self._frames.write_description(self._server, self._contract, self._terms)

    def connect(self, peer: str) -> Connection:
        """A new connection of a client at `peer`."""
        return Connection(self, peer)

    def open(self, request: m.Open, peer: str) -> tuple[_Session | None, m.Reply]:
        """Admit a client, or say why not."""
        refusal = self._refusal(request)
        if refusal is not None:
            return None, refusal
        with self._lock:
            holder = self._holder
            if holder is not None:
                return None, self._busy(holder)
            session = _Session(secrets.token_hex(8), request.client, peer)
            self._holder = session
        _log.info("session %s opened by %s (%s)", session.id, request.client.name, peer)
        return session, m.Opened(self._server, session.id, self._contract, self._terms)

    def _refusal(self, request: m.Open) -> m.Failure | None:
        version = request.client.spec_version
        if not compatible(SPEC_VERSION, version):
            return m.Failure(
                m.ErrorCode.UNSUPPORTED_VERSION,
                f"this server speaks spec {SPEC_VERSION}, the client {version or 'none'}; install "
                f"the same major version on both sides (release candidates must be equal)",
                session_closed=True,
                choices=(SPEC_VERSION,),
            )
        if request.resume is not None:
            return m.Failure(
                m.ErrorCode.UNKNOWN_SESSION,
                f"there is no session {request.resume.session_id} to resume",
                session_closed=True,
            )
        return None

    def _busy(self, holder: _Session) -> m.Failure:
        held = time.monotonic() - holder.since
        name = holder.client.name or holder.peer
        return m.Failure(
            m.ErrorCode.BUSY,
            f"the environment is held by {name} for {held:.1f} s (session {holder.id}); close that "
            f"client, or serve another instance",
            session_closed=True,
            holder=name,
            held_seconds=held,
        )

    def play(self, body: m.RequestBody) -> tuple[m.Reply, int]:
        """Play one request on the environment's thread; its reply and the call's microseconds."""
        start = time.perf_counter_ns()
        reply = self._run(self._player.play, body)
        return reply, (time.perf_counter_ns() - start) // 1000

    def release(self, session: _Session) -> None:
        """The session is over; the environment is free for the next one."""
        with self._lock:
            if self._holder is session:
                self._holder = None
                _log.info("session %s ended", session.id)


class Connection:
    """One stream of frames from one client.

    Args:
        hub: The endpoint.
        peer: Network peer, for messages.
    """

    def __init__(self, hub: SessionHub, peer: str) -> None:
        self._hub = hub
        self._peer = peer
        self._session: _Session | None = None

    def exchange(self, frame: bytes) -> Answer:
        """The answer to one frame. Every frame gets exactly one."""
        try:
            request = self._hub.read(frame)
        except CodecError as error:
            failure = m.Failure(m.ErrorCode.MALFORMED, str(error), session_closed=True)
            return self._last(0, failure)
        if self._session is None:
            return self._open(request)
        return self._next(self._session, request)

    def lost(self) -> None:
        """The stream has ended, for whatever reason."""
        if self._session is not None:
            self._hub.release(self._session)
            self._session = None

    def _open(self, request: m.Request) -> Answer:
        body = request.body
        if not isinstance(body, m.Open) or request.sequence != 0:
            failure = m.Failure(
                m.ErrorCode.MALFORMED if _is_open(body) else m.ErrorCode.WRONG_STATE,
                f"the first request of a stream is Open with sequence 0, got {_words(body)} with "
                f"sequence {request.sequence}",
                session_closed=True,
            )
            return self._last(request.sequence, failure)
        self._session, reply = self._hub.open(body, self._peer)
        frame = self._hub.write(0, reply)
        return Answer(frame, last=self._session is None)

    def _next(self, session: _Session, request: m.Request) -> Answer:
        sequence = request.sequence
        if sequence == session.received and session.last_frame:
            return Answer(session.last_frame)
        if sequence != session.received + 1:
            failure = m.Failure(
                m.ErrorCode.OUT_OF_SEQUENCE,
                f"expected sequence {session.received + 1}, or {session.received} again, got "
                f"{sequence}",
            )
            return Answer(self._hub.write(sequence, failure))
        session.received = sequence
        body = request.body
        if type(body) is m.Step:
            reply, call_us = self._hub.play(body)
        elif isinstance(body, m.Close):
            return self._last(sequence, m.Closed())
        else:
            reply, call_us = self._reply(body)
        frame = self._write(sequence, reply, call_us)
        session.last_frame = frame
        return Answer(frame)

    def _reply(self, body: m.RequestBody) -> tuple[m.Reply, int]:
        if _is_open(body):
            return m.Failure(m.ErrorCode.WRONG_STATE, "the session is open already"), 0
        if isinstance(body, m.Malformed):
            return m.Failure(m.ErrorCode.MALFORMED, body.reason, path=body.path), 0
        if isinstance(body, m.Unsupported):
            words = f"this server does not support {body.kind}"
            return m.Failure(m.ErrorCode.UNSUPPORTED, words), 0
        return self._hub.play(body)

    def _write(self, sequence: int, reply: m.Reply, call_us: int) -> bytes:
        try:
            return self._hub.write(sequence, reply, call_us)
        except Exception as error:
            # The step has been applied; the client must learn that its answer cannot be told.
            _log.exception("the answer to request %d cannot be written", sequence)
            failure = m.Failure(m.ErrorCode.INVALID_RESULT, f"the answer cannot be sent: {error}")
            return self._hub.write(sequence, failure)

    def _last(self, sequence: int, reply: m.Reply) -> Answer:
        frame = self._hub.write(sequence, reply)
        self.lost()
        return Answer(frame, last=True)


def _is_open(body: m.RequestBody) -> bool:
    return isinstance(body, m.Open) or (isinstance(body, m.Malformed) and body.kind == "open")


def _words(body: m.RequestBody) -> str:
    """A request in words."""
    if isinstance(body, m.Malformed):
        return f"a malformed {body.kind} ({body.reason})"
    return type(body).__name__
