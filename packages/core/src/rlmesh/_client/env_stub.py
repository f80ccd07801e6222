"""`EnvStub`: reset, step, render and close of a remote environment, in one backend's values.

The clients of every backend are thin classes around an `EnvStub`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from rlmesh._client.async_call import AsyncCall
from rlmesh._client.connect import (
    client_name,
    closed_on_failure,
    destination,
    trace_context,
)
from rlmesh._client.observe import Observed, view_of_names
from rlmesh._client.transport_choice import Transport, TransportChoice
from rlmesh._codec import SpaceCodec, Validation
from rlmesh._codec.actions import encode_actions
from rlmesh._codec.lanes import FINAL_KEY, FINAL_MASK_KEY, LaneIO, batch_words
from rlmesh._codec.validate import with_reports
from rlmesh._codec.viewed import viewed_contract
from rlmesh._messages import env as m
from rlmesh._session.begun_request import BegunRequest
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.observed_session import session_class
from rlmesh._session.versions import OURS, this_peer
from rlmesh._transport.target import Target
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.failures import raise_failure
from rlmesh._wire.services import ENV_SERVICE
from rlmesh.backends import ArrayBackend, DynamicArray
from rlmesh.errors import CodecError, InvalidValueError, RemoteError, UnsupportedError
from rlmesh.options import TLS
from rlmesh.specs import Capability, EnvContract, PeerInfo, Progress, Reconnect

if TYPE_CHECKING:
    from rlmesh.adapters._view import ObservationView

__all__ = ["EnvStub"]

_SEEDS = range(2**64)

R = TypeVar("R")


class EnvStub:
    """One client of one environment.

    Args:
        address: The endpoint's address.
        backend: Backend of observations, actions and infos.
        token: Bearer token; empty: none.
        validation: What to do with actions outside their space.
        connect_timeout: Seconds that the handshake may take.
        vector: Whether a vector is expected.
        copy: Whether observations own their memory; if False, they may be read-only views of the
            received message.
        lane_backend: Backend of a vector's rewards and flags; None: `backend`.
        tls: Certificates, for an address with TLS.
        wait: Seconds to wait for the environment if another client holds it.
        on_reconnect: Called after each time that the session was resumed on a new connection.
        transport: "grpc"; "frames", on a Unix socket of the same host or, if the server offers
            that, over TCP; or "auto", frames on the same host if possible, else gRPC.
        traceparent: Trace context of the caller; see `trace_context`.
        on_progress: Called with each report of the progress of a call.
        observe: The parts of observations that are sent; None: all. See `view_of_names`.

    Attributes:
        contract: Contract of the environment, as the server reports it; if a view is set, with the
            observation space and the tags of what is sent.
        validation: What is done with actions outside their space.
        sim_time: Time of the simulation at the last observation, in seconds; None: not known.
        episode_id: Name of the episodes that the next resets begin; empty: none.

    Raises:
        AddressError: If the text is not an address.
        ConnectError: If no server answers at the address.
        RemoteError: If the server refuses the session.
        UnsupportedError: If a vector is served and a single environment expected, or vice versa; or
            if the server cannot send parts of observations.
        ValueError: If observations have no part of a name in `observe`.
    """

    def __init__(
        self,
        address: str | int,
        backend: ArrayBackend,
        *,
        token: str = "",
        validation: Validation = "warn",
        connect_timeout: float = 10.0,
        vector: bool = False,
        copy: bool = True,
        lane_backend: ArrayBackend | None = None,
        tls: TLS | None = None,
        wait: float = 0.0,
        on_reconnect: Callable[[Reconnect], object] | None = None,
        transport: Transport = "auto",
        traceparent: str = "",
        on_progress: Callable[[Progress], object] | None = None,
        observe: Observed | None = None,
    ) -> None:
        self.sim_time: float | None = None
        self.episode_id = ""
        where = destination(address, token, tls, stacklevel=5)
        target = Target(where, ENV_SERVICE, token, tls, connect_timeout)
        transports = TransportChoice(transport, target)
        can = transports.can | {Capability.RENDER}
        if on_progress is not None and not callable(on_progress):
            raise TypeError(f"expected a function as on_progress, got {on_progress!r:.60}")
        if on_progress is not None:
            can |= {Capability.PROGRESS}
        if not copy:  # A copy is made at the same speed from any position.
            can |= {Capability.ALIGNED_SLABS}
        trace = trace_context(traceparent)
        self._session = session_class()(
            transports.connect,
            EnvWireCodec(backend),
            this_peer(client_name(), can),
            ConnectOptions(connect_timeout, wait, on_reconnect, trace, on_progress),
            transports.moves,
        )
        with closed_on_failure(self._session):
            transports.check(self._session)
            self._calls = AsyncCall(str(where))
            self.contract: EnvContract = self._session.served
            self._check_kind(vector)
            self.validation: Validation = validation
            self._backend = backend
            self._make_codecs(lane_backend or backend)
            if observe is not None:
                self.set_view(view_of_names(observe, self.contract))
        self._num_envs = self.contract.num_envs if vector else None
        self._copy = copy

    def _check_kind(self, vector: bool) -> None:
        """Raise UnsupportedError unless a vector is served if, and only if, one is expected."""
        contract = self.contract
        if contract.vector == vector:
            return
        error = UnsupportedError(
            f"{self.address} serves {contract.id} as a {_kind(contract.vector)}; connect with "
            f"{'RemoteVectorEnv' if contract.vector else 'RemoteEnv'}"
        )
        error.serves_vector = contract.vector
        raise error

    def _make_codecs(self, lane_backend: ArrayBackend) -> None:
        """Make the codecs of values; raise if the backend cannot express a space."""
        contract = self.contract
        self._observation = self._observation_codec(contract)
        self._action = SpaceCodec(
            contract.action_space, self._backend, root="action", validation=self.validation
        )
        self._lanes = LaneIO(lane_backend, contract.num_envs)

    def _observation_codec(self, contract: EnvContract) -> SpaceCodec:
        # A server of ours has looked at its observations, unless its operator chose otherwise; one
        # in another language may not look.
        ours = self._session.server.implementation.startswith(OURS)
        return SpaceCodec(
            contract.observation_space,
            self._backend,
            root="observation",
            validation="off" if ours and self.validation == "warn" else self.validation,
        )

    def set_view(self, view: ObservationView | None) -> None:
        """Set which parts of observations are sent, and how; None: whole observations.

        Raises:
            UnsupportedError: If the server cannot send parts, or cannot change images so.
            InvalidValueError: If the view does not fit the observation space.
        """
        self._need(Capability.OBSERVATION_VIEW, "send parts of observations")
        contract = viewed_contract(self._session.served, view)
        codec = self._observation_codec(contract)
        self._ask(m.SetView(view), m.ViewSet)
        self.contract, self._observation = contract, codec

    @property
    def address(self) -> str:
        """The endpoint's address, scheme included."""
        return self._session.address

    @property
    def server(self) -> PeerInfo:
        """The server's description of itself."""
        return self._session.server

    @property
    def transport(self) -> str:
        """What carries the session's frames: "grpc" or "frames"."""
        return self._session.transport

    @property
    def call_seconds(self) -> float | None:
        """Seconds of the last call in the environment; None: not known, or nothing is recorded."""
        return getattr(self._session, "call_seconds", None)

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self._session.closed

    @property
    def running(self) -> AsyncCall:
        """The call that was begun and not waited for, if there is one."""
        return self._calls

    def _ask(self, body: m.RequestBody, expected: type[R]) -> R:
        """Make a request and return its reply, unless a call has not been waited for."""
        if self._calls.pending and not self._session.closed:
            self._calls.check_idle()
        return self._session.request(body, expected)

    def reset(
        self, seed: int | Sequence[int | None] | None, options: Mapping[str, Any] | None
    ) -> tuple[Any, dict[Any, Any]]:
        """Start an episode; return its observation and info."""
        return self._reset_result(self._ask(self._reset_body(seed, options), m.ResetDone))

    def _reset_result(self, done: m.ResetDone) -> tuple[Any, dict[Any, Any]]:
        self.sim_time = done.sim_time
        return self._decode(done.observation), self._info(done.info)

    def _info(self, info: Mapping[Any, Any]) -> dict[Any, Any]:
        """Return an info with what was found wrong with the observation and the action."""
        seen, chosen = self._observation.take_reports(), self._action.take_reports()
        return dict(with_reports(info, seen, chosen))

    def reset_async(
        self, seed: int | Sequence[int | None] | None, options: Mapping[str, Any] | None
    ) -> None:
        """Begin a reset; see `reset_wait`."""
        self._begin("reset", self._reset_body(seed, options), m.ResetDone)

    def _begin(self, kind: str, body: m.RequestBody, expected: type[Any]) -> None:
        """Begin a call, which a function of that kind waits for ("reset_wait")."""
        session = self._session
        self._calls.begin(
            kind,
            lambda: session.request(body, expected),
            lambda: session.begin(body, expected),
        )

    def reset_wait(self, timeout: float | None) -> tuple[Any, dict[Any, Any]]:
        """Return the results of the running reset."""
        return self._reset_result(self._calls.wait("reset", timeout))

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[Any, Any]]:
        """Apply an action to a single environment; return the five results."""
        body = m.Step(m.Encoded(self._action.encode(action)))
        return self._step_result(self._ask(body, m.StepDone))

    def _step_result(
        self, done: m.StepDone, observed: bool = True
    ) -> tuple[Any, float, bool, bool, dict[Any, Any]]:
        self.sim_time = done.sim_time
        return (
            self._decode(done.observation) if observed else None,
            done.reward,
            done.terminated,
            done.truncated,
            self._info(done.info),
        )

    def step_lanes(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[Any, Any]]:
        """Apply actions to a vector; return the five results.

        The rewards are float64 and the flags bool, of shape (num_envs,).
        """
        return self._lanes_result(self._ask(self._lanes_body(actions), m.StepDone))

    def _lanes_body(self, actions: Any) -> m.Step:
        count = self._num_envs or 1
        return m.Step(m.Encoded(self._action.encode_batch(actions, count), count))

    def step_many(
        self, actions: Iterable[Any], all_observations: bool
    ) -> list[tuple[Any, Any, Any, Any, dict[Any, Any]]]:
        """Return the results of several steps; see `EnvClientBase.step_many`."""
        chunk = list(actions)
        if not chunk:
            raise InvalidValueError("actions", "one action at least", "none")
        lanes = self._num_envs
        slabs = encode_actions(self._action, chunk, lanes)
        if Capability.STEP_MANY not in self._session.server.capabilities:
            return self._step_each(chunk, all_observations)
        encoded = m.Encoded(slabs, len(chunk) * (lanes or 1))
        body = m.StepMany(encoded, len(chunk), all_observations)
        done = self._ask(body, m.StepManyDone)
        results = [self._result_of_many(step) for step in done.steps]
        if done.failure is not None:
            with _carrying(results):
                raise_failure(done.failure, self.address)
        return results

    def _result_of_many(self, done: m.StepDone) -> tuple[Any, Any, Any, Any, dict[Any, Any]]:
        result = self._step_result if self._num_envs is None else self._lanes_result
        if done.observation is not m.ABSENT:
            return result(done)
        return result(done, observed=False)

    def _step_each(
        self, chunk: list[Any], all_observations: bool
    ) -> list[tuple[Any, Any, Any, Any, dict[Any, Any]]]:
        """Return the results of `step_many` with one round trip a step, for an older server."""
        results: list[tuple[Any, Any, Any, Any, dict[Any, Any]]] = []
        with _carrying(results):
            for action in chunk:
                result = (self.step if self._num_envs is None else self.step_lanes)(action)
                if results and not all_observations:
                    results[-1] = (None, *results[-1][1:])
                results.append(result)
                if _ended(result):
                    break
        return results

    def _step_body(self, action: Any) -> m.Step:
        if self._num_envs is None:
            return m.Step(m.Encoded(self._action.encode(action)))
        return self._lanes_body(action)

    def begin_step(self, action: Any) -> BegunRequest[Any] | None:
        """Send a step, of every lane if the environment is a vector; see `ClientSession.begin`.

        Returns:
            The request, which finishes with the results; None: only `step` can make it.
        """
        self._calls.check_idle()
        begun = self._session.begin(self._step_body(action), m.StepDone)
        result = self._step_result if self._num_envs is None else self._lanes_result
        return None if begun is None else begun.then(result)

    def step_async(self, action: Any) -> None:
        """Begin a step, of every lane if the environment is a vector; see `step_wait`."""
        self._begin("step", self._step_body(action), m.StepDone)

    def step_wait(self, timeout: float | None) -> tuple[Any, Any, Any, Any, dict[Any, Any]]:
        """Return the results of the running step."""
        done = self._calls.wait("step", timeout)
        return self._step_result(done) if self._num_envs is None else self._lanes_result(done)

    def _lanes_result(
        self, done: m.StepDone, observed: bool = True
    ) -> tuple[Any, Any, Any, Any, dict[Any, Any]]:
        if done.lanes is None:
            raise CodecError("the step of a vector has come without rewards and flags", rule="L-3")
        self.sim_time = done.sim_time
        rewards, terminated, truncated = self._lanes.arrays(done.lanes)
        final = self._final_info(done)
        observation = self._decode(done.observation) if observed else None
        info = {**self._info(done.info), **final}
        return observation, rewards, terminated, truncated, info

    def render(self, lanes: Sequence[int] = ()) -> Any:
        """Return the result of `render`; for a vector, of the given lanes (empty: all)."""
        self._need(Capability.RENDER, "render")
        body = m.Render(tuple(lanes))
        self._lanes.check_rendered(body, vector=self._num_envs is not None)
        return self._ask(body, m.Rendered).frame

    def call(self, name: str, args: Sequence[Any], kwargs: Mapping[str, Any]) -> Any:
        """Return the result of an exposed method; for a vector, a tuple with one result a lane."""
        self._need(Capability.ATTRIBUTES, f"call {name}")
        return self._ask(m.Call(name, tuple(args), kwargs), m.Called).result

    def get_attr(self, name: str) -> Any:
        """Return the value of an exposed attribute; for a method, a function that calls it."""
        self._need(Capability.ATTRIBUTES, f"report {name}")
        attribute = self._ask(m.GetAttribute(name), m.Attribute)
        if not attribute.callable:
            return attribute.value
        return lambda *args, **kwargs: self.call(name, args, kwargs)

    def set_attr(self, name: str, value: Any) -> None:
        """Set an exposed attribute."""
        self._need(Capability.ATTRIBUTES, f"set {name}")
        self._ask(m.SetAttribute(name, value), m.AttributeSet)

    def _need(self, capability: Capability, what: str) -> None:
        """Raise UnsupportedError if the server has not announced a capability (H-9)."""
        if capability not in self._session.server.capabilities:
            raise UnsupportedError(f"the server of {self.address} does not {what}")

    def close(self) -> None:
        """End the session; may be called again."""
        try:
            self._calls.take_long()
            self._session.close(self._calls.future)
        finally:
            self._calls.close()

    def _reset_body(self, seed: Any, options: Mapping[str, Any] | None) -> m.Reset:
        lane_seeds = None
        if seed is not None and not _is_integer(seed):
            if self._num_envs is None:
                raise InvalidValueError("seed", "an integer or None", type(seed).__name__)
            lane_seeds = tuple(None if s is None else _seed(s) for s in seed)
            seed = None
        mask = b""
        if self._num_envs is not None and options is not None and "reset_mask" in options:
            self._need(
                Capability.PARTIAL_RESET,
                "reset single lanes (autoreset mode Disabled); leave out reset_mask",
            )
            options = dict(options)
            mask = self._lanes.mask_slab(options.pop("reset_mask"))
        single = None if seed is None else _seed(seed)
        body = m.Reset(single, lane_seeds, options, mask, self.episode_id)
        if self._num_envs is not None:
            self._lanes.check_lanes(body, "seed", "reset_mask")
        return body

    def _decode(self, observation: m.Encoded) -> Any:
        if observation.batch_size != self._num_envs:
            expected, actual = batch_words(self._num_envs), batch_words(observation.batch_size)
            raise CodecError.of_rule("V-1", expected, actual, path="observation")
        if self._num_envs is None:
            return self._observation.decode(observation.slabs, copy=self._copy)
        return self._observation.decode_batch(observation.slabs, self._num_envs, copy=self._copy)

    def _final_info(self, done: m.StepDone) -> dict[str, Any]:
        """Return Gymnasium's `final_obs` (an array of observations or None) and its mask."""
        if done.final is None:
            return {}
        mask = self._lanes.mask_array(done.final_mask, FINAL_MASK_KEY)
        count = done.final.batch_size or 0
        if count != sum(done.final_mask):
            words = f"{count} final observations for {sum(done.final_mask)} lanes"
            raise CodecError(words, path="final_observations", rule="L-6")
        values = iter(self._observation.decode_values(done.final.slabs, count))
        lanes = [next(values) if here else None for here in done.final_mask]
        array = self._backend.from_dynamic(DynamicArray(None, (len(lanes),), None, lanes))
        return {FINAL_KEY: array, FINAL_MASK_KEY: mask}


def _ended(result: tuple[Any, Any, Any, Any, Any]) -> bool:
    """Return whether a step ended an episode, in any lane."""
    return any(bool(flag) if isinstance(flag, bool) else any(flag) for flag in result[2:4])


@contextlib.contextmanager
def _carrying(results: list[Any]) -> Generator[None, None, None]:
    """Attach the results of the earlier steps to a `RemoteError`."""
    try:
        yield
    except RemoteError as error:
        error.steps = tuple(results)
        raise


def _kind(vector: bool) -> str:
    return "vector of environments" if vector else "single environment"


def _is_integer(value: object) -> bool:
    return hasattr(value, "__index__") and not hasattr(value, "__len__")


def _seed(value: Any) -> int:
    if not _is_integer(value) or int(value) not in _SEEDS:
        raise InvalidValueError("seed", "an integer from 0 to 2**64 - 1", f"{value!r:.60}")
    return int(value)
