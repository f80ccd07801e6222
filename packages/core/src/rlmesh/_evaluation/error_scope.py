"""What an error of an endpoint means for the run."""

from __future__ import annotations

from enum import Enum

from rlmesh.errors import (
    AuthenticationError,
    ClosedError,
    CodecError,
    EnvError,
    InvalidValueError,
    RemoteError,
    TransportError,
    UnsupportedError,
    UnsupportedVersionError,
)

__all__ = ["Verdict", "verdict_of"]


class Verdict(Enum):
    """Whose fault an error is."""

    RUN = "run"
    """The model's or the caller's: the run ends."""
    EPISODE = "episode"
    """The environment's: the episode is played again."""
    CONNECTION = "connection"
    """The endpoint's: it is connected to again."""
    ENDPOINT = "endpoint"
    """The endpoint's, for good."""


def verdict_of(error: BaseException, kind: str) -> Verdict:
    """Whose fault it is that a call of some kind ("open", "reset", "step") failed."""
    if not isinstance(error, Exception):
        return Verdict.RUN
    if isinstance(error, InvalidValueError):
        # What an environment of this process gave; a peer's own is an EnvError.
        is_seen = error.path.startswith(("observation", "reset()", "step()"))
        return Verdict.EPISODE if is_seen else Verdict.RUN
    if isinstance(error, (AuthenticationError, UnsupportedError, UnsupportedVersionError)):
        return Verdict.ENDPOINT
    if kind == "open":
        # A factory that fails is an EnvError; whatever is no error of ours is a mistake.
        remote = isinstance(error, (RemoteError, TransportError, CodecError))
        return Verdict.CONNECTION if remote else Verdict.RUN
    if isinstance(error, EnvError):
        return Verdict.CONNECTION if error.session_closed else Verdict.EPISODE
    if isinstance(error, (ClosedError, CodecError, RemoteError, TransportError)):
        return Verdict.CONNECTION
    return Verdict.EPISODE
