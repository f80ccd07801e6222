"""`RemoteEnv` in native values: no NumPy, no Gymnasium."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Literal, TypeVar

from rlmesh._client.base import EnvClientBase
from rlmesh._client.env_stub import EnvStub
from rlmesh._client.observe import Observed
from rlmesh.backends import NATIVE
from rlmesh.options import TLS
from rlmesh.spaces import Space
from rlmesh.specs import EnvContract, Progress, Reconnect

__all__ = ["NativeClient", "RemoteEnv"]

Self = TypeVar("Self", bound="NativeClient")


class NativeClient(EnvClientBase):
    """Base of the native clients of a single environment and of a vector."""

    _vector = False

    def __init__(
        self,
        address: str | int,
        *,
        token: str = "",
        tls: TLS | None = None,
        validation: Literal["off", "warn", "strict"] = "warn",
        connect_timeout: float = 10.0,
        wait: float = 0.0,
        on_reconnect: Callable[[Reconnect], object] | None = None,
        transport: Literal["auto", "grpc", "frames"] = "auto",
        traceparent: str = "",
        on_progress: Callable[[Progress], object] | None = None,
        observe: Observed | None = None,
    ) -> None:

        self._arguments: dict[str, Any] = {
            "token": token,
            "tls": tls,
            "validation": validation,
            "connect_timeout": connect_timeout,
            "wait": wait,
            "on_reconnect": on_reconnect,
            "transport": transport,
            "traceparent": traceparent,
            "on_progress": on_progress,
            "observe": observe,
        }
        self._stub = EnvStub(address, NATIVE, vector=self._vector, **self._arguments)

    @property
    def spec(self) -> EnvContract:
        """Alias of `env_contract`."""
        return self._stub.contract

    @property
    def metadata(self) -> dict[str, Any]:
        """The environment's metadata."""
        return dict(self._stub.contract.metadata)

    @property
    def render_mode(self) -> str | None:
        """Mode that the environment was made with; None if it does not render."""
        return self._stub.contract.render_mode

    def render(self) -> Any:
        """Return the result of `render`, with an image as a `Tensor` (height, width, 3)."""
        return self._stub.render()

    def close(self) -> None:
        """End the session; may be called again."""
        self._stub.close()

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reconnect, (type(self), self.address, self._arguments))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.env_contract.id!r}, {self.address!r})"


def _reconnect(cls: type[Any], address: str, arguments: dict[str, Any]) -> Any:
    return cls(address, **arguments)


class RemoteEnv(NativeClient):
    """A served environment, in native values: Python scalars, str, tuple, dict and `Tensor`.

    Args:
        address: The endpoint's address.
        token: Bearer token; empty: none.
        tls: Certificates, for an address `grpcs://host:port`; see `rlmesh.TLS`.
        validation: What to do with an action outside its space (bounds of a Box, NaN, Text):
            "off", "warn" (once a path) or "strict".
        connect_timeout: Seconds that the handshake may take.
        wait: Seconds to wait for the environment if another client holds it.
        on_reconnect: Called with a `rlmesh.specs.Reconnect` after a connection was lost and the
            session resumed.
        transport: What carries requests: "grpc"; "frames", on a Unix socket of the same host if
            both processes belong to one user (Linux), or over TCP if the server offers that; or
            "auto", which uses frames on the same host if possible, else gRPC.
        traceparent: Trace context of the caller (W3C `traceparent`), which the server logs; empty:
            the current span of OpenTelemetry if there is one, else the process's variable
            TRACEPARENT.
        on_progress: Called with a `rlmesh.specs.Progress` whenever the environment reports how far
            a call has come (`rlmesh.report_progress`), on the thread that waits for the call: the
            call returns only after the callback has. The callback may close the client.
        observe: The parts of observations that are sent, so that nothing else crosses the wire: for
            each a key of the observation space, a role of the environment's tags, or a tuple of the
            keys and positions that lead to it. None: all. `observation_space` has these parts.

    Raises:
        AddressError: If the text is not an address.
        ConnectError: If no server answers at the address.
        BusyError: If another client holds the environment.
        RemoteError: If the server refuses the session for another reason.
    """

    @property
    def observation_space(self) -> Space[Any]:
        """Space of the observations."""
        return self._stub.contract.observation_space

    @property
    def action_space(self) -> Space[Any]:
        """Space of the actions."""
        return self._stub.contract.action_space

    def reset(
        self, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Start an episode.

        Args:
            seed: Seed of the episode, 0 to 2**64 - 1; None: the environment keeps its generator.
            options: Options of the environment.

        Returns:
            Observation and info.

        Raises:
            EnvError: If the environment fails; the session goes on.
        """
        return self._stub.reset(seed, options)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Apply an action.

        Returns:
            Observation, reward, terminated, truncated and info.

        Raises:
            InvalidValueError: If the action does not belong to its space; nothing was applied.
            EnvError: If the environment fails; the session goes on.
        """
        return self._stub.step(action)
