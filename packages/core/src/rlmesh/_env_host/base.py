"""`EnvHost`: runs the environments of a server, as an `EnvHostConfig` describes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from rlmesh._codec import Validation
from rlmesh._env_host.describe_env import DescribedEnv, describe_env
from rlmesh._env_host.env_servicer import EnvServicer
from rlmesh._env_host.env_thread import Stream
from rlmesh._session.server_session import Servicer
from rlmesh.adapters import EnvTags
from rlmesh.backends import ArrayBackend, backend_of
from rlmesh.specs import AutoresetMode, EnvContract

__all__ = ["EnvHost", "EnvHostConfig"]


@dataclass(frozen=True)
class EnvHostConfig:
    """How a server treats its environments; pickles, for processes that make their own.

    Attributes:
        tags: What the leaves of their spaces mean.
        framework: Library of the actions' values; None: that of the spaces.
        device: Their device.
        validation: What to do with observations outside their space.
        expose_tracebacks: Whether clients see the tracebacks of their exceptions.
        exposed: Names that remote attribute calls reach.
        autoreset_mode: When the lanes of a list of environments start their next episode.
        sim_time: Path of the attribute that is the time of their simulation; empty: none.
    """

    tags: EnvTags | None = None
    framework: str | None = None
    device: object | None = None
    validation: Validation = "warn"
    expose_tracebacks: bool = False
    exposed: tuple[str, ...] = ()
    autoreset_mode: AutoresetMode | None = None
    sim_time: str = ""

    def describe_env(self, env: Any) -> DescribedEnv:
        """Describe `env`; raise as `rlmesh._env_host.describe_env.describe_env` does.

        A list or tuple becomes a vector.
        """
        if isinstance(env, (list, tuple)):
            env = _vector(env, self.autoreset_mode or AutoresetMode.NEXT_STEP)
        elif self.autoreset_mode is not None:
            raise ValueError("autoreset_mode is for a list of environments; a vector has its own")
        if self.framework is None and self.device is not None:
            raise ValueError(f"device={self.device!r} needs framework='torch' or framework='jax'")
        backend = None if self.framework is None else backend_of(self.framework, self.device)
        return describe_env(env, self.tags, backend, self.exposed)

    def make_servicer(self, described: DescribedEnv) -> EnvServicer:
        """Return the servicer of an environment, which applies requests to it."""
        return EnvServicer(described, self.validation, self.expose_tracebacks, self.sim_time)


def _vector(lanes: Sequence[Any], mode: AutoresetMode) -> Any:
    backend_of("numpy")  # If rlmesh-numpy is missing, this error names the pip command.
    from rlmesh_numpy._vector import make_vector

    return make_vector(lanes, mode.value)


class EnvHost(Protocol):
    """A runner of a server's environments."""

    contract: EnvContract
    """Contract that clients receive."""

    backend: ArrayBackend
    """Backend of the arrays in options, infos and metadata."""

    waits_for_calls: bool
    """See `rlmesh._server.base.ServingLoop`."""

    @property
    def capacity(self) -> int:
        """Maximum number of sessions open at once."""
        ...

    @property
    def is_current(self) -> bool:
        """Whether the caller is on the thread that `run` blocks."""
        ...

    def take(self, alive: Callable[[], bool]) -> Servicer:
        """See `ServicerProvider`."""
        ...

    def offer(self, stream: Stream) -> bool:
        """Lend a thread to a client's stream, or refuse."""
        ...

    def run(self) -> None:
        """Run environments until `stop`; block."""
        ...

    def stop(self) -> None:
        """Take no more calls, and make `run` return; returns at once."""
        ...

    def close(self) -> None:
        """Close the environments, after `run` has returned or if it was never called."""
        ...
