"""`RemoteModel`: client of a served model."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from rlmesh._client.connect import destination, trace_context
from rlmesh._client.model_policy import RemotePolicy
from rlmesh._client.model_stub import FIRST_LANE, Dial, ModelStub
from rlmesh._client.transport_choice import Transport, TransportChoice
from rlmesh._models.offered_method import offered
from rlmesh._models.playing import PlaysEpisodes
from rlmesh._policy.chunk_use import ORDINARY, ChunkUse
from rlmesh._policy.events import Callbacks
from rlmesh._policy.forms import EpisodeContext
from rlmesh._policy.observing import needed_by_spec
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._transport.target import Target
from rlmesh._wire.contract import route_key
from rlmesh._wire.services import MODEL_SERVICE
from rlmesh.adapters import PredictForm
from rlmesh.backends import ArrayBackend, backend_of, contract_backend
from rlmesh.backends._registry import PUBLISHED
from rlmesh.errors import ClosedError, InvalidValueError, UnsupportedError
from rlmesh.options import TLS
from rlmesh.spaces import Space
from rlmesh.specs import Capability, EnvContract, ModelSpec, PeerInfo, Reconnect
from rlmesh.tensor import Tensor

__all__ = ["RemoteModel"]


class RemoteModel(PlaysEpisodes):
    """A served model: to run, to evaluate, to call directly, or as the `source` of a `Model`.

    Observations belong to the spaces of one environment; pass its contract here or to
    `for_contract` (`evaluate` does so itself). An episode runs in a lane. A call without a context
    uses the lanes that `start_episode` numbers: lane 0, and for a batch the lanes from 0 on.

    A method of a predict form that the model does not offer raises AttributeError. A pickled client
    contains the address and the arguments, and connects again when it is unpickled. A client takes
    one caller at a time.

    Args:
        address: The endpoint's address.
        contract: The environment's contract, or an object that has one (`env_contract`), such as a
            `RemoteEnv`; None: it is passed to `for_contract`.
        token: Bearer token; empty: none.
        tls: Certificates, for an address `grpcs://host:port`; see `rlmesh.TLS`.
        framework: Library of observations and actions: "native", "numpy", "torch" or "jax". None:
            "numpy" if rlmesh-numpy is installed, else "native".
        device: Device of the actions, for "torch" and "jax"; None: that library's default.
        connect_timeout: Seconds that a handshake may take.
        wait: Seconds to wait for a session if the server has as many as it allows.
        on_reconnect: Called with a `rlmesh.specs.Reconnect` after a connection was lost and the
            session resumed.
        transport: What carries observations and actions: "grpc"; "frames", on a Unix socket of the
            same host or, if the server offers that, over TCP; or "auto", which uses frames on the
            same host if possible, else gRPC.
        traceparent: Trace context of the caller (W3C `traceparent`), which the server logs; empty:
            the current span of OpenTelemetry if there is one, else the process's variable
            TRACEPARENT.

    Raises:
        AddressError: If the text is not an address.
        ConnectError: If no server answers at the address.
        UnsupportedError: If the model does not fit the environment, with the place as its `path`;
            or if frames were chosen and cannot be used.
        RemoteError: If the server refuses the session for another reason.
    """

    def __init__(
        self,
        address: str | int,
        contract: EnvContract | Any = None,
        *,
        token: str = "",
        tls: TLS | None = None,
        framework: str | None = None,
        device: object | None = None,
        connect_timeout: float = 10.0,
        wait: float = 0.0,
        on_reconnect: Callable[[Reconnect], object] | None = None,
        transport: Transport = "auto",
        traceparent: str = "",
    ) -> None:

        self._arguments: dict[str, Any] = {
            "token": token,
            "tls": tls,
            "framework": framework,
            "device": device,
            "connect_timeout": connect_timeout,
            "wait": wait,
            "on_reconnect": on_reconnect,
            "transport": transport,
            "traceparent": traceparent,
        }
        where = destination(address, token, tls, stacklevel=3)
        trace_context(traceparent)  # Raises for a wrong one; each session has that of its time.
        terms = ConnectOptions(connect_timeout, wait, on_reconnect, traceparent)
        target = Target(where, MODEL_SERVICE, token, tls, connect_timeout)
        self._dialled = Dial(TransportChoice(transport, target), terms)
        self._backend: ArrayBackend = (
            contract_backend() if framework is None else backend_of(framework, device)
        )
        server, self._spec = self._dialled.describe(self._backend)
        self._receives_prefix = Capability.ACTION_PREFIX in server.capabilities
        self._lock = threading.Lock()
        self._over = threading.Event()
        self._stubs: dict[bytes, ModelStub] = {}
        self._contract: EnvContract | None = getattr(contract, "env_contract", contract)
        if self._contract is not None:
            self._stub_of(self._contract)

    @property
    def address(self) -> str:
        """The endpoint's address, scheme included."""
        return str(self._dialled.transports.where)

    @property
    def transport(self) -> str | None:
        """What carries frames: "grpc" or "frames"; None if the environment has no open session."""
        if self._contract is None:
            return None
        with self._lock:
            stub = self._stubs.get(route_key(self._contract))
        return None if stub is None else stub.transport

    @property
    def spec(self) -> ModelSpec:
        """Spec of the model, as the server reports it."""
        return self._spec

    @property
    def model_spec(self) -> ModelSpec:
        """The same as `spec`, by the name that a `Model` has it under."""
        return self._spec

    @property
    def model_id(self) -> str:
        """The model's name."""
        return self._spec.id

    def for_contract(self, contract: EnvContract) -> RemoteModel:
        """Return a client of the model for another environment; `close` of either closes both."""
        model = object.__new__(type(self))
        model.__dict__.update(self.__dict__, _contract=contract)
        return model

    @offered(PredictForm.SINGLE)
    def predict(self, observation: Any, context: EpisodeContext | None = None) -> Any:
        """Return the action for an observation.

        Args:
            observation: The observation.
            context: Context of the episode, which begins with its first observation; its `step`,
                which the caller counts, is that of the observation. None: the episode in lane 0;
                then each action that was returned counts as a step, unless `observe` has received
                the observations since the last prediction.

        Raises:
            InvalidValueError: If the observation does not belong to its space.
            ModelError: If the model fails; the session goes on.
        """
        stub = self._stub()
        return stub.predict(stub.lane_for(context), observation)

    @offered(PredictForm.BATCH)
    def predict_batch(
        self, observations: Any, context: Sequence[EpisodeContext] | None = None
    ) -> Any:
        """Return the stacked actions for stacked observations; see `predict`.

        Args:
            observations: The observations.
            context: Contexts of their episodes, in the same order; None: the episodes in the lanes
                from 0 on.
        """
        stub = self._stub()
        return stub.predict_batch(stub.lanes_for(observations, context), observations)

    @offered(PredictForm.CHUNK)
    def predict_chunk(
        self,
        observation: Any,
        context: EpisodeContext | None = None,
        *,
        max_chunk_length: int = 0,
    ) -> Any:
        """Return the actions to execute one after another, stacked on axis 0; see `predict`.

        Args:
            observation: The observation.
            context: Context of the episode; None: the episode in lane 0.
            max_chunk_length: Maximum number of actions; 0: as many as the model predicts. Pass the
                number of actions that will be executed, because without a context each counts as a
                step of the episode.
        """
        stub = self._stub()
        return stub.predict_chunk(stub.lane_for(context), observation, max_chunk_length)[0]

    @offered(PredictForm.CHUNK_BATCH)
    def predict_chunk_batch(
        self,
        observations: Any,
        context: Sequence[EpisodeContext] | None = None,
        *,
        max_chunk_length: int = 0,
    ) -> Any:
        """Return the chunks of actions for stacked observations, with time on axis 1."""
        stub = self._stub()
        lanes = stub.lanes_for(observations, context)
        actions, length = stub.predict_chunks(lanes, observations, max_chunk_length)
        return _by_lane(actions, stub.contract.action_space, len(lanes), length)

    @offered(None)
    def observe(
        self, observation: Any, context: EpisodeContext | None = None, *, lane: int = 0
    ) -> None:
        """Keep an observation for which no action is wanted, and send it with the next prediction.

        The client of a model that is stateful, or has an input with a `history` above 1, has this
        method. Pass it each observation of an episode that is not passed to a prediction, because
        an action of an earlier chunk is executed. An observation is sent once, even if the
        prediction fails.

        Args:
            observation: The observation.
            context: Context of the episode; None: the episode in `lane`.
            lane: Number of the lane, below 32,768.

        Raises:
            InvalidValueError: If the observation does not belong to its space.
            UnsupportedError: If the server takes no observations without a prediction.
        """
        stub = self._stub()
        stub.check_observes(
            "the observation needs no action", "predict for each observation instead"
        )
        number = stub.own_lane(_own_lane(lane)) if context is None else stub.lane_of(context)
        stub.watch(number, observation)

    def start_episode(
        self,
        lane: int = 0,
        *,
        episode_id: str = "",
        seed: int | None = None,
        instruction: str | None = None,
    ) -> None:
        """Begin an episode in a lane; an episode that runs in the lane ends.

        Args:
            lane: Number of the lane, below 32,768.
            episode_id: Name of the episode.
            seed: Seed of the environment's reset.
            instruction: Instruction for the model's text inputs.

        Raises:
            UnsupportedError: If there is an instruction and the model takes none, or the reverse.
        """
        self._stub().start(_own_lane(lane), episode_id, seed, instruction)

    def end_episode(self, lane: int = 0) -> None:
        """End the episode of a lane.

        Raises:
            ProtocolError: If no episode runs in the lane.
        """
        self._stub().end(_own_lane(lane))

    def policy(
        self,
        contract: EnvContract,
        *,
        instruction: str | None = None,
        execution_horizon: int | None = None,
        max_batch_size: int | None = None,
        use: ChunkUse = ORDINARY,
    ) -> RemotePolicy:
        """Return the policy for evaluation in an environment.

        Args:
            contract: The environment's contract.
            instruction: Instruction of the episodes.
            execution_horizon: Maximum number of actions to execute of a chunk; see `RemotePolicy`.
            max_batch_size: Maximum number of observations in a request; None: no limit.
            use: What is done with the chunks.

        Raises:
            UnsupportedError: If the model does not fit the environment, or its server does not
                support the execution of several actions of a chunk; see `RemotePolicy`.
            ValueError: If the model takes no instruction and there is one, or the reverse.
        """
        stub = self._stub_of(contract, anew=True)
        probe = EpisodeContext("", instruction=instruction)
        try:
            stub.begin(probe)
        except UnsupportedError as error:
            raise ValueError(error.message) from error
        stub.finish(probe)
        return RemotePolicy(
            stub,
            self._spec,
            execution_horizon=execution_horizon,
            max_batch_size=max_batch_size,
            use=use,
        )

    @property
    def _server(self) -> str:
        peer = self._peer
        return "" if peer is None else str(peer)

    @property
    def _server_host(self) -> str:
        peer = self._peer
        return "" if peer is None else peer.name

    @property
    def _peer(self) -> PeerInfo | None:
        """The model's server, as its first session knows it."""
        with self._lock:
            stubs = list(self._stubs.values())
        return stubs[0]._session.server if stubs else None

    @property
    def _callbacks(self) -> Callbacks:

        return Callbacks()

    @property
    def _client_package(self) -> str:
        # Evaluation converts a native client's values to those of another package's backend.
        name = self._backend.name
        return f"rlmesh.{name}" if name in PUBLISHED else "rlmesh"

    def _stub(self) -> ModelStub:
        if self._contract is None:
            raise TypeError(
                "the contract of the environment is not known; construct RemoteModel(address, env) "
                "or call for_contract(env.env_contract)"
            )
        return self._stub_of(self._contract)

    def _stub_of(self, contract: EnvContract, *, anew: bool = False) -> ModelStub:
        """Return the session for an environment; open it if there is none.

        Args:
            contract: The environment's contract.
            anew: Whether to open a new session if the existing one has ended. Only a caller without
                a running episode may do so.

        Raises:
            ClosedError: If this client was closed.
        """
        key = route_key(contract)
        with self._lock:
            if self._over.is_set():
                raise ClosedError(f"{self.address}: the client was closed")
            stub = self._stubs.get(key)
            if stub is None or (anew and stub.closed):
                needed = needed_by_spec(self._spec)
                stub = ModelStub(self._dialled, contract, self._backend, needed=needed)
                self._stubs[key] = stub
            return stub

    def close(self) -> None:
        """End the sessions; may be called again."""
        self._over.set()
        with self._lock:
            stubs, self._stubs = list(self._stubs.values()), {}
        for stub in stubs:
            stub.close()

    def __enter__(self) -> RemoteModel:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        return (_reconnect, (type(self), self.address, self._contract, self._arguments))

    def __repr__(self) -> str:
        return f"RemoteModel({self._spec.id!r}, {self.address!r})"


def _reconnect(
    cls: type[RemoteModel], address: str, contract: EnvContract | None, arguments: dict[str, Any]
) -> RemoteModel:
    return cls(address, contract, **arguments)


def _own_lane(lane: int) -> int:

    if not 0 <= lane < FIRST_LANE:
        raise InvalidValueError("lane", f"0 to {FIRST_LANE - 1}", str(lane))
    return lane


def _by_lane(actions: Any, space: Space[Any], lanes: int, length: int) -> Any:
    """Return a batch of actions, ordered by lane and then time, with an axis for each."""
    if space.kind in ("dict", "tuple"):
        parts = {k: _by_lane(actions[k], part, lanes, length) for k, part in space.children}
        return parts if space.kind == "dict" else tuple(parts.values())
    if isinstance(actions, Tensor):
        return Tensor(actions.buffer, actions.dtype, (lanes, length, *actions.shape[1:]))
    if isinstance(actions, tuple):
        return tuple(actions[i : i + length] for i in range(0, len(actions), length))
    return actions.reshape((lanes, length, *actions.shape[1:]))
