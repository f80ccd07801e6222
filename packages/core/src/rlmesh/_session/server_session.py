"""What a server keeps of a session, and whose turn it is: no I/O, no frames."""

from __future__ import annotations

import hmac
import secrets
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from rlmesh._buffers import Frame
from rlmesh._messages import env as m
from rlmesh.backends import Buffer
from rlmesh.specs import PeerInfo

__all__ = ["Link", "RequestRefused", "ServerSession", "Servicer", "ServicerProvider", "Stream"]


INF = float("inf")


class RequestRefused(Exception):
    """There is no environment for a new session.

    Attributes:
        failure: Why, as its client is told.
    """

    def __init__(self, failure: m.Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class Servicer(Protocol):
    """One environment, for one session at a time."""

    def answer(self, request: m.Request, frame: Buffer) -> m.Reply | bytes:
        """Apply one request to it, on its thread; a fault of the environment is a reply.

        Args:
            request: What is asked.
            frame: The same, as it came.

        Returns:
            The reply, or its frame where another process has written that.

        Raises:
            ClosedError: If it is closed already.
        """
        ...

    def host(self, stream: Any) -> bool:
        """Run the rest of a connection of its session on its own thread, or refuse."""
        ...

    def end(self) -> m.Reply:
        """The session's client closes it: `Closed`, or what the environment's own close raised."""
        ...

    def release(self) -> None:
        """The session that had it is over, however it ended."""
        ...


class ServicerProvider(Protocol):
    """Where sessions get their environments."""

    @property
    def capacity(self) -> int:
        """How many sessions may be open at once."""
        ...

    def take(self, alive: Callable[[], bool]) -> Servicer:
        """An environment for a new session; raises what making it raises.

        Args:
            alive: Whether the client is still there that it is made for.
        """
        ...

    def offer(self, stream: Any) -> bool:
        """Lend a thread to a client's stream, or refuse."""
        ...


class Stream(Protocol):
    """A client's stream that may run on the environment's thread, from its first frame to its last.

    A step then costs no hop from one thread to another and back.
    """

    @property
    def ending(self) -> bool:
        """Whether its last answer is made, so that it waits for nothing more."""
        ...

    def run(self) -> None:
        """Answer frames until the stream ends."""
        ...

    def cancel(self) -> None:
        """Make `run` return, from another thread."""
        ...


class Link(Protocol):
    """A connection, as its session sees it."""

    def cut(self) -> None:
        """End the stream, from another thread."""
        ...

    def dismiss(self) -> None:
        """The same, with a last word to the client where the transport can send one."""
        ...


class ServerSession:
    """One client's exclusive use of one instance, over one connection after another.

    Args:
        client: Who opened it.
        peer: Network peer, for messages.
        servicer: The environment that it has.
        resumable: Whether it outlives its connection.

    Attributes:
        id: Its name; no secret.
        key: Proves the right to resume it; empty: it cannot be resumed.
        since: When it was opened (monotonic seconds).
        lost_at: When it lost its connection; None: it has one.
        answered_at: When it was opened, resumed or last answered (monotonic seconds).
        received: Highest sequence number that came.
        kept: The answer to it; empty while it is worked on.
        ended: Whether it is over.
    """

    def __init__(
        self,
        client: PeerInfo,
        peer: str,
        servicer: Servicer,
        *,
        resumable: bool,
    ) -> None:
        self.id = secrets.token_hex(8)
        self.key = secrets.token_bytes(16) if resumable else b""
        self.client = client
        self.peer = peer
        self.servicer = servicer
        self.since = self.answered_at = time.monotonic()
        self.lost_at: float | None = None
        self.received = 0
        self.kept: Frame = b""
        self.ended = False
        self._turn = threading.Condition()
        self._link: Link | None = None
        self._working = False
        self._grace: threading.Timer | None = None

    @property
    def working(self) -> bool:
        """Whether a request is being answered."""
        return self._working

    @property
    def name(self) -> str:
        """Who holds it, for people."""
        return self.client.name or self.peer

    def proves(self, key: bytes) -> bool:
        """Whether `key` is the session's own, in constant time."""
        return hmac.compare_digest(self.key, key) and bool(self.key)

    def begin(self, link: Link) -> bool:
        """Wait for the turn of a request that came over `link`; False: the link has no session.

        A request that is being worked on is waited for, but not by a link that was replaced: what
        it waits for may in turn wait for its thread.
        """
        with self._turn:
            while self._working and self._link is link:
                self._turn.wait()
            if self._link is not link or self.ended:
                return False
            self._working = True
            return True

    def finish(self, link: Link) -> bool:
        """The request is answered; whether the answer may go over `link`."""
        with self._turn:
            self._working = False
            self.answered_at = time.monotonic()
            self._turn.notify_all()
            return self._link is link

    def attach(self, link: Link) -> Link | None:
        """Make `link` the session's connection; the one that it replaces, if there is one."""
        with self._turn:
            older, self._link = self._link, link
            self.lost_at = None
            self.answered_at = time.monotonic()
            self._stop_grace()
            self._turn.notify_all()
        return older

    def detach(self, link: Link, grace: float, expire: Callable[[], None]) -> bool:
        """The connection is lost; whether it was the session's own.

        Args:
            link: The connection.
            grace: Seconds after which `expire` is called, unless another link is attached; 0:
                never.
            expire: Called on a thread of its own.
        """
        with self._turn:
            if self._link is not link:
                return False
            self._link = None
            self.lost_at = time.monotonic()
            if grace > 0 and not self.ended:
                self._start_grace(grace, expire)
            return True

    def wait_longer(self, grace: float, expire: Callable[[], None]) -> None:
        """For what `detach` has called: have `expire` called after as many seconds more.

        Not if a link was attached meanwhile, even one that is lost again.
        """
        with self._turn:
            if self._grace is threading.current_thread():
                self._start_grace(grace, expire)

    def wait_no_longer(self) -> None:
        """Nobody can come back any more; what `detach` was given is not called."""
        with self._turn:
            self._stop_grace()

    def _start_grace(self, grace: float, expire: Callable[[], None]) -> None:
        self._grace = threading.Timer(grace, expire)
        self._grace.daemon = True
        self._grace.name = "rlmesh-grace"
        self._grace.start()

    def end(self, *, unless_attached: bool = False, unless_answered_after: float = INF) -> bool:
        """Make it be over, after a call that is running; whether it was not so before.

        Args:
            unless_attached: Not if it has a connection.
            unless_answered_after: Not if `answered_at` is later, or a call is running.
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
        """End its connection, if it has one."""
        link = self._link
        if link is not None:
            link.cut()

    def dismiss(self) -> None:
        """End its connection with the farewell, if it has one."""
        link = self._link
        if link is not None:
            link.dismiss()

    def _stop_grace(self) -> None:
        if self._grace is not None:
            self._grace.cancel()
            self._grace = None
