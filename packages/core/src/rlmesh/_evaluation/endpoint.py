"""`Endpoint`: an environment that is asked for its address at every connection."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

__all__ = ["Endpoint", "released"]


@runtime_checkable
class Endpoint(Protocol):
    """A served environment that may move, such as an actor or a job that restarts elsewhere.

    An evaluation takes an endpoint wherever it takes an address. It calls the methods from a thread
    of its own, one at a time. An endpoint may have an attribute `token`, which takes the place of
    the run's, and a method `release()`, which is called once when the run has ended.
    """

    @property
    def name(self) -> str:
        """Name for logs and results; it stays the same when the address changes."""
        ...

    def resolve(self) -> str:
        """Return the present address; called before every connection.

        An exception counts as a lost connection: the call is repeated after a pause, as often as
        the run tries an endpoint again.
        """
        ...


def released(endpoint: Any) -> None:
    """Call the method `release` of an endpoint, if it has one."""
    release = getattr(endpoint, "release", None)
    if callable(release):
        release()
