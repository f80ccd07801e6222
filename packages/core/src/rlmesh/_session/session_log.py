"""The log of a server's sessions: a line for each event, with the client and the seconds."""

from __future__ import annotations

from typing import Any

from rlmesh._logs import Lines, facts, logger
from rlmesh._messages import env as m
from rlmesh._session.server_session import ServerSession

__all__ = ["SessionLog", "log_refusal"]

_log = logger("rlmesh.server")

_FAULTS = (m.ErrorCode.CRASHED, m.ErrorCode.TIMEOUT)
"""Failures after which an environment's process is gone."""


class SessionLog:
    """Writes the events of sessions to the log of the server."""

    def opened(self, session: ServerSession) -> None:
        """Log a new session."""
        _log.info(
            "session %s opened by %s (%s)",
            session.id,
            session.name,
            session.peer,
            extra=_facts("opened", session),
        )

    def lost(self, session: ServerSession, grace: float) -> None:
        """Log the loss of a connection, unless another loss was logged shortly before."""
        words = "session %s of %s lost its connection after %.1f s%s; it waits %g s for its client"
        _log.log(
            session.losses.level_of_loss(),
            words,
            session.id,
            session.name,
            session.held_seconds,
            session.losses.since_logged,
            grace,
            extra=_facts("lost", session, grace_seconds=grace),
        )

    def resumed(self, session: ServerSession, peer: str, away: float | None) -> None:
        """Log that a client is back; see `lost`.

        Args:
            session: The session.
            peer: Network peer of the new connection.
            away: Seconds without a connection; None: the loss of the old one was not noticed.
        """
        level = session.losses.level_of_return(away or 0.0)
        _log.log(
            level,
            "session %s resumed by %s (%s) after %.2f s without a connection",
            session.id,
            session.name,
            peer,
            away or 0.0,
            extra=_facts("resumed", session, peer=peer, away_seconds=round(away or 0.0, 3)),
        )

    def moved(self, session: ServerSession, peer: str) -> None:
        """Log that a session continues over another transport."""
        _log.debug("session %s moved to %s", session.id, peer, extra=_facts("moved", session))

    def crashed(self, session: ServerSession, reply: m.Reply | bytes) -> None:
        """Log the failure by which an environment lost its process, once for each process."""
        if not isinstance(reply, m.Failure):
            session.fault = ""
        elif reply.code in _FAULTS and not (session.fault and session.fault in reply.message):
            session.fault = reply.message
            _log.error(
                "session %s of %s: %s, %.1f s after the session was opened",
                session.id,
                session.name,
                reply.message,
                session.held_seconds,
                extra=_facts("crashed", session, reason=reply.message, exit_code=reply.exit_code),
            )

    def ended(self, session: ServerSession, why: str) -> None:
        """Log the end of a session, with a summary of its losses."""
        _log.info(
            "session %s of %s ended after %.1f s, %d requests: %s%s",
            session.id,
            session.name,
            session.held_seconds,
            session.received,
            why,
            session.losses.summary,
            extra=_facts(
                "ended",
                session,
                reason=why,
                requests=session.received,
                losses=session.losses.count,
            ),
        )


def log_refusal(client: str, peer: str, failure: m.Failure) -> None:
    """Log that a client gets no session.

    Args:
        client: Name of the client; empty: unknown.
        peer: Its network peer.
        failure: The reason.
    """
    reason = m.ErrorCode(failure.code).name.lower() if failure.code else ""
    message = "refused %s (%s): %s"
    arguments: list[Any] = [client or "a client", peer, failure.message]
    if failure.traceback:
        message += "\n%s"
        arguments.append(Lines(failure.traceback))
    level = _log.error if failure.code in (m.ErrorCode.USER_EXCEPTION, *_FAULTS) else _log.warning
    level(message, *arguments, extra=facts("refused", client=client, peer=peer, reason=reason))


def _facts(event: str, session: ServerSession, **values: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "session": session.id,
        "client": session.client.name,
        "peer": session.peer,
        "seconds": round(session.held_seconds, 3),
        "traceparent": session.traceparent,
        "episode_id": session.episode_id,
    }
    return facts(event, **{**known, **values})
