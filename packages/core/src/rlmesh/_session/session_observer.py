"""`SessionObserver`: a receiver of what happens in the sessions of a server."""

from __future__ import annotations

from typing import Protocol

from rlmesh._messages import env as m
from rlmesh._session.server_session import ServerSession

__all__ = ["SessionObserver"]


class SessionObserver(Protocol):
    """A receiver of events of sessions, which are reported from the threads of the sessions."""

    def opened(self, session: ServerSession) -> None:
        """Receive a new session."""
        ...

    def answered(
        self, session: ServerSession, body: m.RequestBody, reply: m.Reply | bytes, seconds: float
    ) -> None:
        """Receive a request that was applied.

        Args:
            session: The session.
            body: The request.
            reply: The reply, or its frame if another process has written it.
            seconds: Time that it took.
        """
        ...

    def ended(self, session: ServerSession, why: str) -> None:
        """Receive the end of a session, with the reason."""
        ...

    def refused(self, failure: m.Failure) -> None:
        """Receive a failure that answers a request which was not applied, or a client."""
        ...
