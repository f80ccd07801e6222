"""`EnvClientBase`: the calls that all clients of environments share, whatever their backend."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rlmesh._client.env_stub import EnvStub
from rlmesh._wire.env_codec import MAX_EPISODE_ID_BYTES
from rlmesh.errors import InvalidValueError
from rlmesh.specs import EnvContract

__all__ = ["EnvClientBase"]


class EnvClientBase:
    """Base of the clients of environments; a subclass makes the `EnvStub`."""

    _stub: EnvStub

    @property
    def address(self) -> str:
        """The endpoint's address, scheme included."""
        return self._stub.address

    @property
    def transport(self) -> str:
        """What carries requests at present: "grpc" or "frames"."""
        return self._stub.transport

    @property
    def env_contract(self) -> EnvContract:
        """Contract of the environment, as the server reports it."""
        return self._stub.contract

    @property
    def sim_time(self) -> float | None:
        """Time of the simulation at the last observation, in seconds.

        None if the server does not send it (`ServeOptions.sim_time`), or before the first reset.
        """
        return self._stub.sim_time

    @property
    def episode_id(self) -> str:
        """Name of the episodes that the next resets begin, for the server's log; empty: none.

        `evaluate` sets it to the number of the episode within its run. It has at most 256 bytes.
        """
        return self._stub.episode_id

    @episode_id.setter
    def episode_id(self, name: str) -> None:
        if not isinstance(name, str):
            raise InvalidValueError("episode_id", "a text", type(name).__name__)
        if len(name.encode()) > MAX_EPISODE_ID_BYTES:
            raise InvalidValueError(
                "episode_id", f"at most {MAX_EPISODE_ID_BYTES} bytes", f"{len(name.encode())}"
            )
        self._stub.episode_id = name

    def reset_async(
        self,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        """Begin a reset and return at once; `reset_wait` returns its results."""
        self._stub.reset_async(seed, options)

    def reset_wait(self, timeout: float | None = None) -> tuple[Any, dict[str, Any]]:
        """Return the results of the running reset; see `step_wait`."""
        return self._stub.reset_wait(timeout)

    def step_async(self, action: Any) -> None:
        """Begin a step and return at once; `step_wait` returns its results.

        Raises:
            InvalidValueError: If the action does not belong to its space; nothing was sent.
            ConcurrentCallError: If an earlier call has not been waited for.
        """
        self._stub.step_async(action)

    def step_wait(self, timeout: float | None = None) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Return the results of the running step.

        Args:
            timeout: Seconds to wait; None: as long as the step takes.

        Raises:
            RequestTimeoutError: If the step takes longer. The step continues, is applied once, and
                may be waited for again.
        """
        return self._stub.step_wait(timeout)

    def step_many(
        self, actions: Iterable[Any], *, all_observations: bool = False
    ) -> list[tuple[Any, Any, Any, Any, dict[Any, Any]]]:
        """Apply several actions, one after another, in one round trip.

        The server stops after a step that ends an episode in any lane, and at a step that fails.

        Args:
            actions: The actions in order: a list, or an array with a leading axis; for a vector,
                each element has the actions of all lanes.
            all_observations: Whether to return the observation of each step, not only of the last.

        Returns:
            The results of each step that was applied, as `step` returns them, with None in place of
            an observation that was not requested.

        Raises:
            InvalidValueError: If an action does not belong to its space; nothing was applied.
            EnvError: If the environment fails; its `steps` are the results of the earlier steps.
            LimitError: If the results exceed 128 MiB before the last step; its `steps` are the
                results so far.
        """
        return self._stub.step_many(actions, all_observations)

    def call(self, name: str, /, *args: Any, **kwargs: Any) -> Any:
        """Call a method that the server exposes.

        Args:
            name: Name of the method.
            *args: Positional arguments: numbers, text, bytes, tensors, and lists, tuples and dicts
                of these.
            **kwargs: Keyword arguments of the same types.

        Returns:
            The result of the method; for a vector, a tuple with one result a lane. If `name` is an
            attribute and not a method, its value.

        Raises:
            NotExposedError: If the server does not expose the name; lists the exposed names.
            InvalidValueError: If the type of an argument cannot be sent.
            EnvError: If the method fails, or its result cannot be sent.
        """
        return self._stub.call(name, args, kwargs)

    def get_attr(self, name: str) -> Any:
        """Return the value of an attribute that the server exposes; for a vector, one a lane.

        Raises:
            NotExposedError: If the server does not expose the name; lists the exposed names.
            EnvError: If the environment has no such attribute, or its value cannot be sent.
        """
        return self._stub.get_attr(name)

    def set_attr(self, name: str, value: Any) -> None:
        """Set an attribute that the server exposes.

        Args:
            name: Name of the attribute.
            value: The value; for a vector, a list or tuple with one value a lane, or one for all.

        Raises:
            NotExposedError: If the server does not expose the name; lists the exposed names.
            InvalidValueError: If the type of the value cannot be sent.
            EnvError: If the environment refuses the value.
        """
        self._stub.set_attr(name, value)
