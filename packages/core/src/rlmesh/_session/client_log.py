"""The log of a client's session: one line when its connection is lost, and a summary at the end."""

from __future__ import annotations

from rlmesh._logs import facts, logger
from rlmesh._session.losses import Losses

__all__ = ["ClientLog"]

_log = logger("rlmesh.client")


class ClientLog:
    """Writes the losses of one session's connection to the log of the client.

    Args:
        losses: The losses, which decide on the level of each line.

    Attributes:
        session: Id of the session; empty until it is open.
    """

    def __init__(self, losses: Losses) -> None:
        self.session = ""
        self._losses = losses

    def lost(self, address: str, message: str, grace: float) -> None:
        """Log a loss, unless another one was logged shortly before.

        Args:
            address: Address of the server.
            message: How the connection was lost; it has the address.
            grace: Seconds for which the client tries to resume the session.
        """
        _log.log(
            self._losses.level_of_loss(),
            "%s%s; resuming, for %g s at most",
            message,
            self._losses.since_logged,
            grace,
            extra=facts(
                "connection_lost",
                address=address,
                session=self.session,
                reason=message,
                grace_seconds=grace,
            ),
        )

    def resumed(self, address: str, seconds: float, attempts: int) -> None:
        """Log that the session goes on, if its loss was logged."""
        _log.log(
            self._losses.level_of_return(seconds),
            "%s: resumed after %.2f s, attempt %d",
            address,
            seconds,
            attempts,
            extra=facts(
                "connection_resumed",
                address=address,
                session=self.session,
                seconds=round(seconds, 3),
                attempts=attempts,
            ),
        )

    def ended(self, address: str) -> None:
        """Log a summary of the losses, if there are some that were only counted."""
        if self._losses.has_unlogged:
            _log.warning(
                "%s: session %s has ended%s",
                address,
                self.session,
                self._losses.summary,
                extra=facts(
                    "session_ended",
                    address=address,
                    session=self.session,
                    losses=self._losses.count,
                    away_seconds=round(self._losses.seconds, 3),
                ),
            )
