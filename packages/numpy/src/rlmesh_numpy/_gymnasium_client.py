"""`GymnasiumClient`: the base of the clients of one environment and of a vector."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Literal, TypedDict

from rlmesh._client.base import EnvClientBase
from rlmesh._client.connect import closed_on_failure
from rlmesh._client.env_stub import EnvStub
from rlmesh._client.observe import Observed
from rlmesh.backends import ArrayBackend
from rlmesh.errors import BusyError, RenderModeError
from rlmesh.options import TLS
from rlmesh.specs import EnvContract, Progress, Reconnect
from rlmesh_numpy._spec import lent_stub

__all__ = ["ClientOptions", "GymnasiumClient"]

Level = Literal["off", "warn", "strict"]


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
            default the current span of OpenTelemetry, else the process's variable TRACEPARENT.
        on_progress: Called with a `rlmesh.specs.Progress` whenever the environment reports how far
            a call has come (`rlmesh.report_progress`), on the thread that waits for the call: the
            call returns only after the callback has. The callback may close the client.
        observe: The parts of observations that are sent, so that nothing else crosses the wire: for
            each a key of the observation space, a role of the environment's tags, or a tuple of the
            keys and positions that lead to it. By default all. `observation_space` has these parts.
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
    observe: Observed | None
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
