"""Gymnasium-typed clients, generic over the backend: real `gymnasium.Env` and `VectorEnv`.

The clients of NumPy, PyTorch and JAX differ only in their backend.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, Literal, TypedDict, TypeVar

import gymnasium
from gymnasium.envs.registration import EnvSpec
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space

from rlmesh._client.base import EnvClientBase
from rlmesh._client.connect import closed_on_failure
from rlmesh._client.env_stub import EnvStub
from rlmesh.backends import ArrayBackend
from rlmesh.errors import BusyError, EnvError, RenderModeError
from rlmesh.options import TLS
from rlmesh.specs import EnvContract, Progress, Reconnect
from rlmesh_numpy._registration import REMOTE_ID
from rlmesh_numpy._spaces import spaces_to_gymnasium
from rlmesh_numpy._spec import RemoteSpec, add_served_facts, lent_stub

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = [
    "ClientOptions",
    "GymnasiumClient",
    "GymnasiumRemoteEnv",
    "GymnasiumRemoteVectorEnv",
]

Level = Literal["off", "warn", "strict"]
ArrayT = TypeVar("ArrayT")
Self = TypeVar("Self", bound="GymnasiumRemoteVectorEnv[Any]")


class ClientOptions(TypedDict, total=False):
    """Keyword arguments of every client.

    Attributes:
        token: Bearer token; empty, the default: none.
        tls: Certificates, for an address `grpcs://host:port`; see `rlmesh.TLS`.
        validation: Handling of an action outside its space (bounds of a Box, NaN, Text): "off",
            "warn" (the default; once for each path) or "strict".
        connect_timeout: Seconds that the handshake may take; 10 by default.
        wait: Seconds to wait in the queue if another client holds the environment; 0 by default.
        on_reconnect: Called with a `rlmesh.specs.Reconnect` after a connection was lost and the
            session resumed.
        transport: Transport of the requests: "grpc"; "frames", on a Unix socket between processes
            of one user on one host (Linux); or "auto", the default: frames if available.
        traceparent: Trace context of the caller (W3C `traceparent`), which the server logs; by
            default that of the process's variable TRACEPARENT, if it has one.
        on_progress: Called with a `rlmesh.specs.Progress` whenever the environment reports how far
            a call has come (`rlmesh.report_progress`), on the thread that waits for the call: the
            call returns only after the callback has. The callback may close the client.
        copy: If True, the default, observations own their memory and may be kept and written. If
            False, they may be views of the received message, read-only if the library supports
            that, and valid until the next call.
    """

    token: str
    tls: TLS | None
    validation: Level
    connect_timeout: float
    wait: float
    on_reconnect: Callable[[Reconnect], object] | None
    transport: Literal["auto", "grpc", "frames"]
    traceparent: str
    on_progress: Callable[[Progress], object] | None
    copy: bool


class GymnasiumClient(EnvClientBase):
    """The base of the single and the vector client."""

    _backend: ArrayBackend
    # Backend of a vector's rewards and flags; None: the same as `_backend`.
    _lane_backend: ArrayBackend | None = None
    # Keyword arguments that made the backend, if the client has one of its own.
    _backend_arguments: Mapping[str, Any] = MappingProxyType({})
    _arguments: dict[str, Any]

    @contextmanager
    def _connected(
        self, address: str | int, vector: bool, render_mode: str | None, options: ClientOptions
    ) -> Generator[EnvContract, None, None]:
        """Open the session; end it if the rest of the constructor fails."""
        self._arguments = {**options, **self._backend_arguments}
        self._stub = self._open(address, vector, options)
        with closed_on_failure(self._stub):
            self._check_mode(render_mode)
            yield self._stub.contract

    def _open(self, address: str | int, vector: bool, options: ClientOptions) -> Any:
        try:
            return EnvStub(
                address, self._backend, vector=vector, lane_backend=self._lane_backend, **options
            )
        except BusyError:
            shared = None if vector else lent_stub(address)
            if shared is None:
                raise
            return shared

    def _check_mode(self, wanted: str | None) -> None:
        served = self.env_contract.render_mode
        if wanted is not None and wanted != served:
            raise RenderModeError(
                f"{self.address} was served with render_mode={served!r}, not {wanted!r}; leave out "
                f"render_mode, or serve the environment with it"
            )

    def _metadata(self, contract: EnvContract) -> dict[str, Any]:
        # A remote environment renders only in the mode that it was made with.
        modes = [contract.render_mode] if contract.render_mode else []
        metadata: dict[str, Any] = {"render_modes": modes}
        if contract.render_fps is not None:
            fps = contract.render_fps
            metadata["render_fps"] = int(fps) if fps.is_integer() else fps
        metadata.update(contract.metadata)
        if self._backend.name != "numpy":
            metadata[self._backend.name] = True  # As Gymnasium's own conversions do.
        return metadata

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reconnect, (type(self), self.address, self._arguments))

    def __repr__(self) -> str:
        contract = self.env_contract
        lanes = f", num_envs={contract.num_envs}" if contract.vector else ""
        return f"{type(self).__name__}({contract.id!r}, {self.address!r}{lanes})"


def _reconnect(cls: type[Any], address: str, arguments: dict[str, Any]) -> Any:
    return cls(address, **arguments)


_UNWRITABLE = ("on_reconnect", "on_progress", "tls")
"""Arguments left out of a spec: it can be written as JSON, and must contain no key."""


RENDER_MODES = ("human", "rgb_array", "rgb_array_list", "depth_array", "ansi", "ansi_list")
"""Render modes that environments have; an instance lists those of its environment."""


class GymnasiumRemoteEnv(GymnasiumClient, gymnasium.Env[Any, Any], Generic[ArrayT]):
    """A served environment as a `gymnasium.Env`.

    Args:
        address: The endpoint's address.
        render_mode: Mode that the environment must have been served with; None: any.
        **options: See `ClientOptions`.

    Raises:
        AddressError: If `address` is not an address.
        ConnectError: If no endpoint answers there.
        BusyError: If another client holds the environment.
        RenderModeError: If the environment is served in another render mode.
        UnsupportedError: If it is served as a vector.
        RemoteError: If the server refuses for another reason.
    """

    # `gymnasium.make` warns of a mode that the class does not list.
    metadata: dict[str, Any] = {"render_modes": list(RENDER_MODES)}  # noqa: RUF012

    def __init__(
        self,
        address: str | int,
        *,
        render_mode: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        with self._connected(address, False, render_mode, options) as contract:
            self.observation_space = spaces_to_gymnasium(contract.observation_space)
            self.action_space = spaces_to_gymnasium(contract.action_space)
            self.render_mode = contract.render_mode
            self.metadata = self._metadata(contract)
            self._spec: EnvSpec | None = RemoteSpec.of(self._own_spec(), self)

    @property
    def spec(self) -> EnvSpec | None:
        """Spec of the environment; its `make` connects to the same address."""
        return self._spec

    @spec.setter
    def spec(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, spec: EnvSpec | None
    ) -> None:
        # `gymnasium.make` replaces the spec of what it makes.
        self._spec = None if spec is None else RemoteSpec.of(spec, self)

    def _own_spec(self) -> EnvSpec:
        """Return a spec that connects to the same address."""
        return EnvSpec(
            REMOTE_ID,
            entry_point=f"{type(self).__module__}:{type(self).__qualname__}",
            kwargs={
                "address": self.address,
                **{k: v for k, v in self._arguments.items() if k not in _UNWRITABLE},
            },
        )

    def reset(  # pyright: ignore[reportIncompatibleMethodOverride]
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Seed of the episode, 0 to 2**64 - 1; None: the environment's random state goes on.
            options: Options of the environment.

        Returns:
            The observation and the info. The caller owns their arrays, unless `copy=False`.

        Raises:
            EnvError: If the environment fails; the session goes on.
        """
        super().reset(seed=seed)
        return self._stub.reset(seed, options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply an action.

        Returns:
            The observation, the reward, terminated, truncated and the info. The caller owns their
            arrays, unless `copy=False`.

        Raises:
            InvalidValueError: If the action does not belong to its space; nothing was applied.
            EnvError: If the environment fails; the session goes on.
        """
        return self._stub.step(action)

    def render(self) -> Any:
        """Return the result of the environment's `render`: for "rgb_array" (height, width, 3)."""
        return self._stub.render()

    def close(self) -> None:
        """End the session; idempotent."""
        self._stub.close()

    def has_wrapper_attr(self, name: str) -> bool:
        """Return whether the client has an attribute, or the server exposes one that exists."""
        if name not in self.env_contract.exposed:
            return hasattr(self, name)
        try:
            self.get_attr(name)
        except EnvError:
            return False
        return True

    def get_wrapper_attr(self, name: str) -> Any:
        """Return an attribute of the environment if the server exposes it, else of the client.

        Raises:
            AttributeError: If neither has the attribute.
            EnvError: If the value cannot be sent, or reading it fails.
        """
        if name in self.env_contract.exposed:
            try:
                return self.get_attr(name)
            except EnvError as error:
                if error.exception_type != "builtins.AttributeError":
                    raise
                raise AttributeError(error.message) from error
        try:
            return getattr(self, name)
        except AttributeError as error:
            exposed = ", ".join(self.env_contract.exposed) or "nothing"
            raise AttributeError(f"{error}; its server exposes {exposed}") from None

    def set_wrapper_attr(self, name: str, value: Any, *, force: bool = True) -> bool:
        """Set an attribute of the environment if the server exposes it, else of the client.

        Args:
            name: Name of the attribute.
            value: New value.
            force: Whether an attribute that the client does not have is added.

        Returns:
            Whether the attribute was set.
        """
        if name in self.env_contract.exposed:
            self.set_attr(name, value)
            return True
        if not force and not hasattr(self, name):
            return False
        setattr(self, name, value)
        return True

    def __str__(self) -> str:
        return f"<{type(self).__name__}<{self.env_contract.id} at {self.address}>>"


class GymnasiumRemoteVectorEnv(
    GymnasiumClient, gymnasium.vector.VectorEnv[Any, Any, Any], Generic[ArrayT]
):
    """A served vector of environments as a `gymnasium.vector.VectorEnv`.

    Arguments and errors are those of the single client.

    Attributes:
        autoreset_mode: When lanes are reset, as `gymnasium.vector.AutoresetMode`; missing if the
            environment does not report it.
    """

    autoreset_mode: AutoresetMode
    _spec: EnvSpec | None = None

    def __init__(
        self,
        address: str | int,
        *,
        render_mode: str | None = None,
        **options: Unpack[ClientOptions],
    ) -> None:
        with self._connected(address, True, render_mode, options) as contract:
            self.num_envs = contract.num_envs
            self.single_observation_space = spaces_to_gymnasium(contract.observation_space)
            self.single_action_space = spaces_to_gymnasium(contract.action_space)
            self.observation_space = batch_space(self.single_observation_space, self.num_envs)
            self.action_space = batch_space(self.single_action_space, self.num_envs)
            self.render_mode = contract.render_mode
            self.metadata = self._metadata(contract)
            if contract.autoreset_mode is not None:
                self.autoreset_mode = AutoresetMode(contract.autoreset_mode.value)
                self.metadata["autoreset_mode"] = self.autoreset_mode

    @property
    def spec(self) -> EnvSpec | None:
        """Spec that `gymnasium.make_vec` made the client by; None: it was made directly."""
        return self._spec

    @spec.setter
    def spec(  # pyright: ignore[reportIncompatibleVariableOverride]
        self, spec: EnvSpec | None
    ) -> None:
        if spec is not None:
            add_served_facts(spec, self.env_contract)
        self._spec = spec

    def reset(  # pyright: ignore[reportIncompatibleMethodOverride]
        self,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode in every lane; see the single client.

        Args:
            seed: One seed, from which the vector derives those of its lanes, or one seed for each
                lane.
            options: Options of the environment; "reset_mask", an array of bools (num_envs,), not
                all false, resets only some lanes.

        Raises:
            TypeError: If the mask is not an array of bools.
            InvalidValueError: If the mask has another shape.
            EnvError: If the vector refuses the mask, such as one that is false for every lane.
        """
        if isinstance(seed, int):
            super().reset(seed=seed)
        if options is not None and "reset_mask" in options:
            _check_mask(options["reset_mask"])
        return self._stub.reset(seed, options)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Apply an action in every lane; see the single client.

        Returns:
            Observations, rewards (num_envs,) float64, terminated and truncated (num_envs,) bool,
            and infos.
        """
        return self._stub.step_lanes(actions)

    def render(self, lanes: Sequence[int] = ()) -> Any:
        """Return the result of the vector's `render`: a tuple with an image for each lane.

        Args:
            lanes: Lanes to render, in this order; empty: all of them.

        Raises:
            InvalidValueError: If they are not distinct lanes of the vector; nothing was sent.
        """
        return self._stub.render(lanes)

    def close_extras(self, **kwargs: Any) -> None:
        """End the session."""
        # Gymnasium's finalizer also closes a client whose constructor has failed.
        if "_stub" in self.__dict__:
            self._stub.close()

    # Gymnasium's vectors, unlike its environments, are no context managers.
    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _check_mask(mask: Any) -> None:
    """Raise TypeError, as Gymnasium's vectors do, for a mask that would be sent as bools.

    The vector itself sees the rest: a mask that resets no lane.
    """
    dtype = getattr(mask, "dtype", None)
    if str(dtype).rpartition(".")[2] != "bool":
        got = type(mask).__name__ if dtype is None else f"one of {dtype}"
        raise TypeError(f"expected an array of bools for options['reset_mask'], got {got}")
