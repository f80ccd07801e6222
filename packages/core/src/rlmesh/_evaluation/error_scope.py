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

__all__ = ["ErrorScope", "classify_error"]


class ErrorScope(Enum):
    """Whose fault an error is."""

    RUN = "run"
    """The model's or the caller's: the run ends."""
    EPISODE = "episode"
    """The environment's: the episode is played again."""
    CONNECTION = "connection"
    """The endpoint's: it is connected to again."""
    ENDPOINT = "endpoint"
    """The endpoint's, for good."""


def classify_error(error: BaseException, kind: str) -> ErrorScope:
    """Whose fault it is that a call of some kind ("open", "reset", "step") failed."""
    if not isinstance(error, Exception):
        return ErrorScope.RUN
    if isinstance(error, InvalidValueError):
        # An environment of this process returned the value; a peer reports its own as an EnvError.
        return ErrorScope.EPISODE if error.side == "observation" else ErrorScope.RUN
    if isinstance(error, (AuthenticationError, UnsupportedError, UnsupportedVersionError)):
        return ErrorScope.ENDPOINT
    if kind == "open":
        # A factory that fails is an EnvError; whatever is no error of ours is a mistake.
        remote = isinstance(error, (RemoteError, TransportError, CodecError))
        return ErrorScope.CONNECTION if remote else ErrorScope.RUN
    if isinstance(error, EnvError):
        return ErrorScope.CONNECTION if error.session_closed else ErrorScope.EPISODE
    if isinstance(error, (ClosedError, CodecError, RemoteError, TransportError)):
        return ErrorScope.CONNECTION
    return ErrorScope.EPISODE
