"""Classification of the errors of an endpoint by their effect on the run."""

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
    """The scope of an error."""

    RUN = "run"
    """The model or the caller is at fault: the run ends."""
    EPISODE = "episode"
    """The environment is at fault: the episode is played again."""
    CONNECTION = "connection"
    """The connection is at fault: the endpoint is connected to again."""
    ENDPOINT = "endpoint"
    """The endpoint is at fault permanently: it is retired."""


def classify_error(error: BaseException, kind: str) -> ErrorScope:
    """Return the scope of an error in a call of some kind ("open", "reset", "step")."""
    if not isinstance(error, Exception):
        return ErrorScope.RUN
    if isinstance(error, InvalidValueError):
        # An environment of this process returned a bad value; a remote one raises EnvError.
        is_seen = error.path.startswith(("observation", "reset()", "step()"))
        return ErrorScope.EPISODE if is_seen else ErrorScope.RUN
    if isinstance(error, (AuthenticationError, UnsupportedError, UnsupportedVersionError)):
        return ErrorScope.ENDPOINT
    if kind == "open":
        # A factory that fails raises EnvError; any other exception is a mistake of the caller.
        remote = isinstance(error, (RemoteError, TransportError, CodecError))
        return ErrorScope.CONNECTION if remote else ErrorScope.RUN
    if isinstance(error, EnvError):
        return ErrorScope.CONNECTION if error.session_closed else ErrorScope.EPISODE
    if isinstance(error, (ClosedError, CodecError, RemoteError, TransportError)):
        return ErrorScope.CONNECTION
    return ErrorScope.EPISODE
