"""`EnvServicerProvider`: the environments of an `EnvHost`, given to sessions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from rlmesh._messages import env as m
from rlmesh._session.server_session import ServerSession, Servicer

__all__ = ["EnvServicerProvider", "ServicerSource"]


class ServicerSource(Protocol):
    """The part of an `EnvHost` that sessions need."""

    @property
    def capacity(self) -> int:
        """How many sessions may be open at once."""
        ...

    def take(self, alive: Callable[[], bool]) -> Servicer:
        """Return the servicer of a new session; raise what making its environment raises.

        Args:
            alive: Return whether the client that the servicer is made for is still connected.
        """
        ...

    def offer(self, stream: Any) -> bool:
        """Lend a thread to a client's stream, or refuse."""
        ...


class EnvServicerProvider:
    """Gives the environments of a host to sessions; see `ServicerProvider`.

    Args:
        source: The host.
    """

    def __init__(self, source: ServicerSource) -> None:
        self._source = source
        self.offer = source.offer

    @property
    def capacity(self) -> int:
        """See `ServicerProvider`."""
        return self._source.capacity

    def prepare(self, request: m.Open, alive: Callable[[], bool]) -> Callable[[], Servicer]:
        """See `ServicerProvider`: any environment of the host suits any client."""
        return partial(self._source.take, alive)

    def busy(self, sessions: Sequence[ServerSession]) -> m.Failure:
        """See `ServicerProvider`: name the session that is open for longest."""
        holder = min(sessions, key=lambda session: session.since, default=None)
        if holder is None:
            message = "another client is just getting the environment"
            return m.Failure(m.ErrorCode.BUSY, message, session_closed=True)
        held = holder.held_seconds
        lost = ""
        if holder.lost_seconds is not None:
            left = max(0.0, holder.grace - holder.lost_seconds)
            lost = f"; it has lost its connection and has {left:.1f} s to come back"
        count = self.capacity
        held_by = f"held by {holder.name} for {held:.1f} s (session {holder.id}){lost}"
        if count == 1:
            message = f"the environment is {held_by}; close that client, wait for it (wait=)"
        else:
            message = f"all {count} environments are held, the oldest is {held_by}; wait (wait=)"
        return m.Failure(
            m.ErrorCode.BUSY,
            f"{message}, or serve more (factory=, max_sessions=)",
            session_closed=True,
            holder=holder.name,
            held_seconds=held,
        )
