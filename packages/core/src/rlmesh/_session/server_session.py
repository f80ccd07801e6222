"""`ServerSession`: state of a session on the server, and the turns of its connections; no I/O."""

from __future__ import annotations

import hmac
import logging
import secrets
import threading
from collections.abc import Callable, Sequence
from typing import Any, Protocol

from rlmesh._buffers import Frame
from rlmesh._messages import env as m
from rlmesh._session.clock import SYSTEM_CLOCK, Clock, ScheduledCall
from rlmesh._session.losses import Losses
from rlmesh.backends import Buffer
from rlmesh.specs import Capability, PeerInfo

__all__ = [
    "ClientLink",
    "RequestRefused",
    "ServerSession",
    "Servicer",
    "ServicerProvider",
    "Stream",
    "proves",
]


INF = float("inf")


class RequestRefused(Exception):
    """No servicer can be made for a new session.

    Attributes:
        failure: The failure to send to the client.
    """

    def __init__(self, failure: m.Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Servicer(Protocol):
    """Answers the requests of one session at a time: on an environment, or on a model."""

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply | bytes:
        """Apply one request on the environment's thread; a fault of the environment is a reply.

        Args:
            request: The request.
            frame: The frame that the request was read from.

        Returns:
            The reply, or the frame of the reply if another process has written it.

        Raises:
            ClosedError: If the servicer is closed already.
        """
        ...

    def run_stream(self, stream: Any, *, takes_over: Callable[[], bool]) -> bool:
        """Run the rest of a connection on the servicer's own thread; return False if refused.

        Args:
            stream: The connection.
            takes_over: Returns whether the session had a connection before, which may be on the
                thread, and has none that is newer.
        """
        ...

    def end(self) -> m.Reply:
        """Close for the session's client; return `Closed`, or the failure of the environment."""
        ...

    def release(self) -> None:
        """Release the servicer, because its session is over for any reason."""
        ...


class ServicerProvider(Protocol):
    """Provider of a servicer for each session."""

    @property
    def capacity(self) -> int:
        """Maximum number of sessions open at once."""
        ...

    def prepare(self, request: m.Open, alive: Callable[[], bool]) -> Callable[[], Servicer]:
        """Return a callable that makes the servicer of a new session, once it is admitted.

        Args:
            request: The request that opens the session.
            alive: Returns whether the client that the servicer is made for is still connected.

        Raises:
            RequestRefused: If no servicer can be made for this request.
            Exception: If a model's own code fails when the model is fitted to the request.
        """
        ...

    def busy(self, sessions: Sequence[ServerSession]) -> m.Failure:
        """Return the failure to send to a client if every servicer is in use.

        Args:
            sessions: The open sessions.
        """
        ...

    def offer(self, stream: Any) -> bool:
        """Assign a thread to a client's stream; return False if none is free."""
        ...


class Stream(Protocol):
    """A client's stream that may run on the environment's thread, from its first frame to its last.

    A step then needs no switch to another thread and back.
    """

    @property
    def ending(self) -> bool:
        """Whether the last answer is made, so that the stream waits for no further frame."""
        ...

    def run(self) -> None:
        """Answer frames until the stream ends."""
        ...

    def cancel(self) -> None:
        """Make `run` return, from another thread."""
        ...


class ClientLink(Protocol):
    """A connection of a client, as its session uses it.

    Attributes:
        peer: Network peer, for messages.
        alive: Returns whether the client is still connected.
        ended: Returns whether the client's process is known to have ended.
        moves: Whether a session is resumed over this connection to change its transport.
    """

    peer: str
    moves: bool
    alive: Callable[[], bool]
    ended: Callable[[], bool]

    def cut(self) -> None:
        """End the stream, from another thread."""
        ...

    def dismiss(self) -> None:
        """End the stream after a farewell frame, if the transport can send one."""
        ...


class ServerSession:
    """One client's exclusive use of one servicer, over one connection after another.

    Args:
        client: The client that opened the session.
        peer: Network peer, for messages.
        servicer: Servicer that answers the session's requests.
        resumable: Whether the session outlives its connection.
        clock: Source of time and timers.
        traceparent: Trace context of the call that opened the session, for the log; empty: none.

    Attributes:
        id: Identifier of the session; not a secret.
        key: Secret that proves the right to resume the session; empty if it cannot be resumed.
        since: When the session was opened (monotonic seconds).
        lost_at: When the session lost its connection (monotonic seconds); None if it has one.
        grace: Seconds that the session is kept after the last loss of its connection.
        answered_at: When the session was opened, resumed or last answered (monotonic seconds).
        received: Highest sequence number received.
        kept: Answer to request `received`; empty while that request is being answered.
        ended: Whether the session is over.
        losses: Losses of its connection.
        fault: Message of the failure by which its environment's process is gone; empty: none.
        episode_id: The client's name for the episode that runs, for the log; empty: none.
    """

    def __init__(
        self,
        client: PeerInfo,
        peer: str,
        servicer: Servicer,
        *,
        resumable: bool,
        clock: Clock = SYSTEM_CLOCK,
        traceparent: str = "",
    ) -> None:
        self._clock = clock
        self.traceparent = traceparent
        self.episode_id = ""
        self.id = secrets.token_hex(8)
        self.key = secrets.token_bytes(16) if resumable else b""
        self.client = client
        self.peer = peer
        self.servicer = servicer
        self.since = self.answered_at = self._clock.monotonic()
        self.lost_at: float | None = None
        self.grace = 0.0
        self.received = 0
        self.kept: Frame = b""
        self.ended = False
        self.losses = Losses(clock, logging.INFO)
        self.fault = ""
        self._turn = threading.Condition()
        self._link: ClientLink | None = None
        self._working = False
        self._lost_link: ClientLink | None = None
        self._grace: ScheduledCall | None = None

    @property
    def working(self) -> bool:
        """Whether a request is being answered."""
        return self._working

    @property
    def wants_progress(self) -> bool:
        """Whether the client takes reports of progress."""
        return Capability.PROGRESS in self.client.capabilities

    @property
    def held_seconds(self) -> float:
        """Seconds since the session was opened."""
        return self._clock.monotonic() - self.since

    @property
    def lost_seconds(self) -> float | None:
        """Seconds since the session lost its connection; None if it has one."""
        return None if self.lost_at is None else self._clock.monotonic() - self.lost_at

    @property
    def name(self) -> str:
        """Name of the client, or its network peer, for messages."""
        return self.client.name or self.peer

    def begin(self, link: ClientLink) -> bool:
        """Wait until a request of `link` may run; return False if the link has lost the session.

        A request that is being answered is waited for, but not by a link that was replaced: that
        request may in turn wait for the thread of the replaced link.
        """
        with self._turn:
            while self._working and self._link is link:
                self._turn.wait()
            if self._link is not link or self.ended:
                return False
            self._working = True
            return True

    def is_on(self, link: ClientLink) -> bool:
        """Return whether `link` is the session's connection."""
        return self._link is link

    def finish(self, link: ClientLink) -> bool:
        """End the turn of an answered request; return whether `link` may carry the answer."""
        with self._turn:
            self._working = False
            self.answered_at = self._clock.monotonic()
            self._turn.notify_all()
            return self._link is link

    def attach(self, link: ClientLink) -> ClientLink | None:
        """Make `link` the session's connection; return the one that it replaces, or None."""
        with self._turn:
            older, self._link, self._lost_link = self._link, link, None
            self.lost_at = None
            self.answered_at = self._clock.monotonic()
            self._stop_grace()
            self._turn.notify_all()
        return older

    def detach(self, link: ClientLink, grace: float, expire: Callable[[], None]) -> bool:
        """Remove a lost connection; return whether it was the session's current one.

        Args:
            link: The connection.
            grace: Seconds after which `expire` is called, unless another link is attached; 0:
                never.
            expire: Called on a separate thread.
        """
        with self._turn:
            if self._link is not link:
                return False
            self._link, self._lost_link = None, link
            self.lost_at = self._clock.monotonic()
            if grace > 0 and not self.ended:
                self._start_grace(grace, expire)
            return True

    def wait_longer(self, link: ClientLink, grace: float, expire: Callable[[], None]) -> None:
        """Call `expire` after `grace` more seconds, unless a link was attached since a loss.

        Args:
            link: The link that was lost, for which `detach` was called.
            grace: Seconds to wait.
            expire: Called on a separate thread.
        """
        with self._turn:
            if self._lost_link is link:
                self._start_grace(grace, expire)

    def wait_no_longer(self) -> None:
        """Cancel the `expire` of `detach`, because no client can resume any more."""
        with self._turn:
            self._stop_grace()

    def _start_grace(self, grace: float, expire: Callable[[], None]) -> None:
        self._grace = self._clock.call_later(grace, expire, "rlmesh-grace")

    def end(self, *, unless_attached: bool = False, unless_answered_after: float = INF) -> bool:
        """End the session after the running call; return whether this call has ended it.

        Args:
            unless_attached: Do nothing if the session has a connection.
            unless_answered_after: Do nothing if `answered_at` is later, or if a call is running.
        """
        with self._turn:
            while self._working:
                if unless_answered_after < INF:
                    return False
                self._turn.wait()
            spared = unless_attached and self._link is not None
            if self.ended or spared or self.answered_at > unless_answered_after:
                return False
            self.ended = True
            self._stop_grace()
            self._turn.notify_all()
            return True

    def cut(self) -> None:
        """End the session's connection, if it has one."""
        link = self._link
        if link is not None:
            link.cut()

    def dismiss(self) -> None:
        """End the session's connection with the farewell, if it has one."""
        link = self._link
        if link is not None:
            link.dismiss()

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None


def proves(own: bytes, key: bytes) -> bool:
    """Return whether `key` is a session's own, which is not empty, in constant time."""
    return hmac.compare_digest(own, key) and bool(own)
