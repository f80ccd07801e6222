"""`EnvClientBase`: what every client of an environment has, whatever its values are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rlmesh._client.env_stub import EnvStub
from rlmesh.specs import EnvContract

__all__ = ["EnvClientBase"]


class EnvClientBase:
    """Calls that are the same for all; a subclass makes the player."""

    _stub: EnvStub

    @property
    def address(self) -> str:
        """The endpoint's address, scheme included."""
        return self._stub.address

    @property
    def transport(self) -> str:
        """How requests travel just now: "grpc", or "frames" on a Unix socket of the same host."""
        return self._stub.transport

    @property
    def env_contract(self) -> EnvContract:
        """What the server tells of the environment."""
        return self._stub.contract

    def reset_async(
        self,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin a reset and return at once; `reset_wait` gives its results."""
        self._stub.reset_async(seed, options)

    def reset_wait(self, timeout: float | None = None) -> tuple[Any, dict[str, Any]]:
        """The results of the reset that is under way; see `step_wait`."""
        return self._stub.reset_wait(timeout)

    def step_async(self, action: Any) -> None:
        """Begin a step and return at once; `step_wait` gives its results.

        Raises:
            InvalidValueError: If the action is not one of its space; nothing was sent.
            ConcurrentCallError: If another call has not been waited for.
        """
        self._stub.step_async(action)

    def step_wait(self, timeout: float | None = None) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """The results of the step that is under way.

        Args:
            timeout: Seconds to wait; None: as long as it takes.

        Raises:
            RequestTimeoutError: If it takes longer. The step goes on, is applied once, and may be
                waited for again.
        """
        return self._stub.step_wait(timeout)

    def step_many(
        self, actions: Iterable[Any], *, all_observations: bool = False
    ) -> list[tuple[Any, Any, Any, Any, dict[Any, Any]]]:
        """Apply several actions, one after another, in one round trip.

        It stops after a step that ends an episode, in any lane, and before one that fails.

        Args:
            actions: The actions in order: a list, or an array with a leading axis; for a vector of
                the actions of all lanes.
            all_observations: Return the observation of each step, not only of the last.

        Returns:
            The results of each step that was applied, as `step` returns them; instead of an
            observation that was not asked for, None.

        Raises:
            InvalidValueError: If an action is not one of its space; nothing was applied.
            EnvError: If the environment fails; its `steps` are the results of those before.
            LimitError: If the results take 128 MiB before all steps were made; so are its `steps`.
        """
        return self._stub.step_many(actions, all_observations)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method that the server exposes.

        Args:
            name: Its name.
            *args: Its arguments: numbers, text, bytes, tensors, lists, tuples and dicts of these.
            **kwargs: Its keyword arguments, likewise.

        Returns:
            What it returns; for a vector a tuple, one result a lane. An attribute that is no method
            is read.

        Raises:
            NotExposedError: If the server does not expose the name; lists those that it exposes.
            InvalidValueError: If an argument is of no type that can be sent.
            EnvError: If the method fails, or what it returns cannot be sent.
        """
        return self._stub.call(name, args, kwargs)

    def get_attr(self, name: str) -> Any:
        """The value of an attribute that the server exposes; for a vector a tuple, one a lane.

        Raises:
            NotExposedError: If the server does not expose the name; lists those that it exposes.
            EnvError: If there is no such attribute, or its value cannot be sent.
        """
        return self._stub.get_attr(name)

    def set_attr(self, name: str, value: Any) -> None:
        """Give an attribute that the server exposes a value.

        Args:
            name: Its name.
            value: Its value; for a vector a list or tuple with one value a lane, or one for all.

        Raises:
            NotExposedError: If the server does not expose the name; lists those that it exposes.
            InvalidValueError: If the value is of no type that can be sent.
            EnvError: If the environment refuses it.
        """
        self._stub.set_attr(name, value)
