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

__all__ = ["Verdict", "verdict_of"]


class Verdict(Enum):
    """The scope of an error."""

    RUN = "run"
    """The model or the caller is at fault: the run ends."""
    EPISODE = "episode"
    """The environment is at fault: the episode is played again."""
    CONNECTION = "connection"
    """The connection is at fault: the endpoint is connected to again."""
    ENDPOINT = "endpoint"
    """The endpoint is at fault permanently: it is retired."""


def verdict_of(error: BaseException, kind: str) -> Verdict:
    """Return the scope of an error in a call of some kind ("open", "reset", "step")."""
    if not isinstance(error, Exception):
        return Verdict.RUN
    if isinstance(error, InvalidValueError):
        # An environment of this process returned a bad value; a remote one raises EnvError.
        is_seen = error.path.startswith(("observation", "reset()", "step()"))
        return Verdict.EPISODE if is_seen else Verdict.RUN
    if isinstance(error, (AuthenticationError, UnsupportedError, UnsupportedVersionError)):
        return Verdict.ENDPOINT
    if kind == "open":
        # A factory that fails raises EnvError; any other exception is a mistake of the caller.
        remote = isinstance(error, (RemoteError, TransportError, CodecError))
        return Verdict.CONNECTION if remote else Verdict.RUN
    if isinstance(error, EnvError):
        return Verdict.CONNECTION if error.session_closed else Verdict.EPISODE
    if isinstance(error, (ClosedError, CodecError, RemoteError, TransportError)):
        return Verdict.CONNECTION
    return Verdict.EPISODE
