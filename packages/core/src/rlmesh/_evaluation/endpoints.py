"""Conversion of the environments passed to an evaluation to `Lanes`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from rlmesh import spaces
from rlmesh._client.base import EnvClientBase
from rlmesh._codec import SpaceCodec
from rlmesh._codec.lanes import LaneIO
from rlmesh._codec.validate import Validation
from rlmesh._codec.viewed import ViewCodec
from rlmesh._env_host.describe_env import describe_env
from rlmesh._evaluation.backend_converter import BackendConverter
from rlmesh._evaluation.endpoint import Endpoint, released
from rlmesh._evaluation.lanes import Lanes, SingleLanes, VectorLanes
from rlmesh._logs import logger
from rlmesh.adapters._view import ObservationView
from rlmesh.adapters._viewed import resolve_view
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import AddressError, ConnectError, UnsupportedError
from rlmesh.spaces import Space
from rlmesh.specs import Capability, EnvContract

_log = logger("rlmesh.evaluation")

__all__ = ["Dialer", "EndpointFacts", "Opened", "Source", "sources_of"]


class Dialer(Protocol):
    """A factory of one backend's clients."""

    @property
    def backend(self) -> ArrayBackend:
        """Backend of the model's values."""
        ...

    @property
    def validation(self) -> Validation:
        """What to do with values outside their space."""
        ...

    def dial(self, address: str | int, *, vector: bool) -> Any:
        """Return a client connected to an address."""
        ...

    def with_token(self, token: str) -> Dialer:
        """Return the same factory for servers that ask for another token."""
        ...


class EndpointFacts(NamedTuple):
    """Facts about an endpoint that belong to the settings of a run.

    Attributes:
        validation: Level of validation of its values.
        server: Implementation of its server and its software; empty: it is of this process.
        host: Name that its server states; empty: none.
    """

    validation: str
    server: str = ""
    host: str = ""


class Opened(NamedTuple):
    """An environment that can be played.

    Attributes:
        lanes: Lanes of the environment.
        contract: Contract of the environment.
        is_ours: Whether the evaluation connected to it, and closes it.
        facts: Facts for the settings of the run.
        sends_views: Whether its server can send parts of observations alone.
    """

    lanes: Lanes
    contract: EnvContract
    is_ours: bool
    facts: EndpointFacts
    sends_views: bool = False


@dataclass(frozen=True)
class Source:
    """An endpoint of an evaluation.

    Attributes:
        name: Name of the endpoint: its address, else the class of the environment.
        open: Makes the environment playable; called again after the endpoint has failed.
        is_remote: Whether calls wait for another process, so that other calls can run meanwhile.
        release: Called once when the run plays no more on the endpoint; None: nothing is.
    """

    name: str
    open: Callable[[], Opened]
    is_remote: bool
    release: Callable[[], object] | None = None


def sources_of(envs: list[Any], dialer: Dialer) -> list[Source]:
    """Return the endpoints of an evaluation.

    Args:
        envs: Addresses, endpoints, objects with an address, clients and environments of this
            process.
        dialer: Factory of clients.

    Raises:
        TypeError: If an element is none of these.
        ValueError: If an environment or a client is passed twice: each plays one episode at a time.
    """
    local = [env for env in envs if _is_played(env)]
    for i, env in enumerate(local):
        if any(env is other for other in local[:i]):
            raise ValueError(
                f"expected each environment once, but the same {type(env).__name__} was passed "
                f"twice; make one for each endpoint, or serve it and pass its address"
            )
    return [_source(env, dialer) for env in envs]


def _is_played(env: Any) -> bool:
    """Return whether `env` is used as it is; an address may be connected to any number of times."""
    return hasattr(env, "reset") and hasattr(env, "step")


def _source(env: Any, dialer: Dialer) -> Source:
    if isinstance(env, EnvClientBase):
        reconnect = _Reconnecting(env, dialer)
        return Source(env.address, reconnect.open, is_remote=True)
    if isinstance(env, (str, int)) and not isinstance(env, bool):
        return Source(str(env), lambda: _dialled(env, dialer), is_remote=True)
    if _is_played(env):
        name = type(getattr(env, "unwrapped", env)).__name__
        return Source(name, lambda: _described(env, dialer), is_remote=False)
    if isinstance(env, Endpoint):
        return Source(str(env.name), lambda: _resolved(env, dialer), True, lambda: released(env))
    address = getattr(env, "address", None)
    if isinstance(address, str):
        return Source(address, lambda: _dialled(address, dialer), is_remote=True)
    raise TypeError(
        f"cannot run against a {type(env).__name__}: expected an environment, an object with an "
        f"address, or an address"
    )


def _resolved(endpoint: Endpoint, dialer: Dialer) -> Opened:
    """Return an opened client for the present address of an endpoint."""
    try:
        address = endpoint.resolve()
    except Exception as error:
        kind = type(error).__name__
        raise ConnectError(f"resolve() raised {kind}: {error}") from error
    if not isinstance(address, (str, int)) or isinstance(address, bool):
        raise TypeError(
            f"{endpoint.name}: expected resolve() to return an address, got {address!r:.60}"
        )
    token = getattr(endpoint, "token", None)
    try:
        return _dialled(address, dialer if token is None else dialer.with_token(token))
    except AddressError as error:  # Another address may come; the run has other endpoints.
        raise ConnectError(f"{endpoint.name}: {error}") from error


def _dialled(address: str | int, dialer: Dialer) -> Opened:
    """Return an opened client for an address that serves a single environment or a vector."""
    try:
        client = dialer.dial(address, vector=False)
    except UnsupportedError as error:
        if not error.serves_vector:
            raise
        client = dialer.dial(address, vector=True)
    return _client(client, dialer, is_ours=True)


class _Reconnecting:
    """A client passed by the caller, which is replaced by an equal one once it is lost."""

    def __init__(self, client: Any, dialer: Dialer) -> None:
        self._client = client
        self._dialer = dialer
        self._was_opened = False
        self._is_ours = False

    def open(self) -> Opened:
        if self._was_opened and self._client._stub.closed:
            make, arguments = self._client.__reduce__()
            self._client = make(*arguments)
            self._is_ours = True
        self._was_opened = True
        return _client(self._client, self._dialer, is_ours=self._is_ours)


def _client(client: Any, dialer: Dialer, *, is_ours: bool) -> Opened:
    contract: EnvContract = client.env_contract
    backend: ArrayBackend = getattr(client, "_backend", NATIVE)
    applied = SpaceCodec(contract.action_space, backend, root="action", validation="off")
    server = client._stub.server
    # A client of the caller's keeps its observation space.
    sends = is_ours and Capability.OBSERVATION_VIEW in server.capabilities

    def convert(view: ObservationView | None) -> BackendConverter:
        sent = view is not None and sends and _is_sent(client, view)
        observed = _observed(client.env_contract, backend, None if sent else view)
        return BackendConverter(observed, applied, dialer.backend, is_viewed=bool(view) > sent)

    facts = EndpointFacts(client._stub.validation, str(server), server.name)
    lanes: Lanes
    # A client of the caller's may have a `step` of its own.
    begin_step = client._stub.begin_step if is_ours else None
    if contract.vector:
        arrays = LaneIO(getattr(client, "_lane_backend", None) or backend, contract.num_envs)
        lanes = VectorLanes(
            client, contract, convert, arrays, is_local=False, begin_step=begin_step
        )
    else:
        lanes = SingleLanes(client, convert, steps_many=True, begin_step=begin_step)
    return Opened(lanes, contract, is_ours, facts, sends)


def _is_sent(client: Any, view: ObservationView) -> bool:
    """Return whether a server sends a view; some lack a library that changes images."""
    try:
        client._stub.set_view(view)
    except UnsupportedError as error:
        _log.info("%s sends whole observations: %s", client.address, error)
        return False
    return True


def _observed(
    contract: EnvContract, backend: ArrayBackend, view: ObservationView | None
) -> SpaceCodec:
    """Return the codec that encodes a client's observations, or the parts of them in a view."""
    space = contract.observation_space
    if view is None:
        return SpaceCodec(space, backend, root="observation", validation="off")
    resolved = resolve_view(space, view)
    return ViewCodec(resolved, backend, None, root="observation", validation="off")


def _described(env: Any, dialer: Dialer) -> Opened:
    """Return an opened environment of this process."""
    if not hasattr(env, "action_space") and not hasattr(env, "single_action_space"):
        # The environment passes values directly to and from `predict`; it has no known spaces.
        unknown: Space[Any] = spaces.Tuple(())
        contract = EnvContract(type(env).__name__, unknown, unknown)
        lanes = SingleLanes(env, None, steps_many=False)
        return Opened(lanes, contract, False, EndpointFacts("off"))
    described = describe_env(env)
    contract = described.contract
    applied = described.action_codec("off")
    level = dialer.validation
    facts = EndpointFacts(level)

    def convert(view: ObservationView | None) -> BackendConverter:
        # A server would check observations, and a client actions.
        observed = described.observation_codec(level, view)
        return BackendConverter(observed, applied, dialer.backend, local=level)

    if contract.vector:
        arrays = LaneIO(described.observation_backend, contract.num_envs)
        vector = VectorLanes(
            env,
            contract,
            convert,
            arrays,
            is_local=True,
            reset_names=described.reset_names,
        )
        return Opened(vector, contract, False, facts)
    single = SingleLanes(env, convert, steps_many=False, reset_names=described.reset_names)
    return Opened(single, contract, False, facts)
