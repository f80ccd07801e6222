"""`ModelStub`: one session on a served model, for the values of one environment."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from rlmesh._client.connect import client_name, closed_on_failure, trace_context
from rlmesh._client.model_lane import Lane, Progress
from rlmesh._client.transport_choice import TransportChoice
from rlmesh._codec import SpaceCodec
from rlmesh._messages import env as m
from rlmesh._messages.model import (
    EndEpisode,
    EpisodeEnded,
    EpisodeStarted,
    Predict,
    Predicted,
    StartEpisode,
)
from rlmesh._policy.forms import CHUNK_FORMS, EpisodeContext
from rlmesh._reusable_buffer import joined
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.observed_session import session_class
from rlmesh._session.versions import check_version, this_peer
from rlmesh._wire.failures import raise_model_failure
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.adapters import ModelSpec, PredictForm
from rlmesh.backends import ArrayBackend
from rlmesh.errors import CodecError, InvalidValueError, UnsupportedError
from rlmesh.specs import Capability, EnvContract, PeerInfo

__all__ = ["FIRST_LANE", "Dial", "ModelStub"]

FIRST_LANE = 32_768
"""Number of the first lane for contexts; lanes below it belong to the caller."""


@dataclass(frozen=True)
class Dial:
    """How a served model is reached.

    Attributes:
        transports: Transports to its server.
        terms: Options of the handshakes.
    """

    transports: TransportChoice
    terms: ConnectOptions

    @property
    def client(self) -> PeerInfo:
        """What a client of the model sends of itself in the handshake."""
        return this_peer(client_name(), self.transports.can)

    def describe(self, backend: ArrayBackend) -> tuple[PeerInfo, ModelSpec]:
        """Return the server and the spec of the model, as the server reports them.

        Raises:
            UnsupportedVersionError: If the spec versions are incompatible.
            TransportError: If no server answers.
        """
        codec = ModelWireCodec(backend)
        connection = self.transports.connect()
        try:
            request = codec.write_describe_request(self.client)
            answer = connection.describe(request, self.terms.timeout)
            theirs = codec.read_server(answer).spec_version
            check_version(SPEC_VERSION, theirs, str(self.transports.where))
            return codec.read_description(answer)[:2]
        finally:
            connection.close()


class ModelStub:
    """One session on a served model.

    Args:
        dial: How the model is reached.
        contract: Contract of the environment that the observations come from.
        backend: Backend of observations and actions.
        needed: Number of the latest observations since its last prediction that the model needs;
            None: all.

    Attributes:
        contract: The environment's contract.

    Raises:
        UnsupportedError: If the model does not fit the environment; its `path` locates the reason.
        RemoteError: If the server refuses the session for another reason.
        TransportError: If no server answers.
    """

    def __init__(
        self,
        dial: Dial,
        contract: EnvContract,
        backend: ArrayBackend,
        *,
        needed: int | None = 0,
    ) -> None:
        self.contract = contract
        self._needed = needed
        self._address = str(dial.transports.where)
        terms = replace(dial.terms, traceparent=trace_context(dial.terms.traceparent))
        self._session = session_class()(
            dial.transports.connect,
            ModelWireCodec(backend),
            dial.client,
            terms,
            dial.transports.moves,
            contract=contract,
            raise_failure=raise_model_failure,
        )
        with closed_on_failure(self._session):
            dial.transports.check(self._session)
            self._observation = SpaceCodec(
                contract.observation_space, backend, root="observation", validation="off"
            )
            self._action = SpaceCodec(
                contract.action_space, backend, root="action", validation="off"
            )
        self._running: dict[int, Progress] = {}
        self._free: list[int] = []
        self._next_lane = FIRST_LANE
        # Key in a context's state. It contains the session, because several models (an ensemble)
        # may be called for the same episode, each with its own lane.
        self._lane_key = ("rlmesh.lane", self._session.id)

    @property
    def transport(self) -> str:
        """What carries the session's frames: "grpc" or "frames"."""
        return self._session.transport

    @property
    def takes_prefix(self) -> bool:
        """Whether the model receives the actions that a prediction continues (H-9)."""
        return Capability.ACTION_PREFIX in self._session.server.capabilities

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self._session.closed

    def start(self, lane: int, episode_id: str, seed: int | None, instruction: str | None) -> None:
        """Begin an episode in a lane."""
        body = StartEpisode(lane, episode_id, seed, instruction)
        self._running.pop(lane, None)
        self._session.request(body, EpisodeStarted)
        self._running[lane] = Progress(self._needed)

    def end(self, lane: int) -> None:
        """End the episode in a lane."""
        self._session.request(EndEpisode(lane), EpisodeEnded)
        self._running.pop(lane, None)

    def begin(self, context: EpisodeContext) -> None:
        """Begin the episode of a context, in a lane that it holds until it ends or is deleted."""
        lane = self._free.pop() if self._free else self._next_lane
        self._next_lane = max(self._next_lane, lane + 1)
        held = Lane(lane, self._free.append)
        self.start(lane, context.episode_id, context.seed, context.instruction)
        context.state[self._lane_key] = held

    def finish(self, context: EpisodeContext) -> None:
        """End the episode of a context; do nothing if it has none."""
        held = context.state.pop(self._lane_key, None)
        if isinstance(held, Lane) and held.number in self._running and not self.closed:
            self.end(held.number)

    def lane_of(self, context: EpisodeContext) -> int:
        """Return the lane of a context; begin its episode if it has none.

        The next observation in the lane is that of step `context.step`, and its prediction
        continues `context.action_prefix`.
        """
        if self._lane_key not in context.state:
            self.begin(context)
        lane: int = context.state[self._lane_key].number
        progress = self._running[lane]
        progress.known_step, progress.prefix = context.step, context.action_prefix
        return lane

    def lane_for(self, context: EpisodeContext | None) -> int:
        """Return the lane of a context, or lane 0 if it is None; begin an episode if needed."""
        return self.own_lane(0) if context is None else self.lane_of(context)

    def lanes_for(
        self, observations: Any, contexts: Sequence[EpisodeContext] | None
    ) -> Sequence[int]:
        """Return the lanes of contexts for stacked observations, or lanes from 0; see `lane_for`.

        Raises:
            InvalidValueError: If the observations are not stacked.
        """
        count = self._observation.length(observations)
        if contexts is None:
            return [self.own_lane(lane) for lane in range(count)]
        return [self.lane_of(context) for context in contexts]

    def own_lane(self, lane: int) -> int:
        """Return a lane of the caller; begin an episode if it has none."""
        if lane not in self._running:
            self.start(lane, "", None, None)
        return lane

    def check_observes(self, why: str, fix: str) -> None:
        """Raise UnsupportedError if the server takes no observations without a prediction (H-9).

        Args:
            why: Why they are needed, as a clause.
            fix: What to do instead.
        """
        if Capability.OBSERVE not in self._session.server.capabilities:
            raise UnsupportedError(
                f"{self._address}: the server does not list CAPABILITY_OBSERVE, and {why}; {fix}"
            )

    def check_counts_steps(self, why: str) -> None:
        """Raise UnsupportedError if the server cannot be sent the step of an episode (H-9).

        Args:
            why: Why it would count other steps, as a clause.
        """
        if Capability.EPISODE_STEPS not in self._session.server.capabilities:
            raise UnsupportedError(
                f"{self._address}: the server does not list CAPABILITY_EPISODE_STEPS, and {why}; "
                f"serve the model with a newer RLMesh"
            )

    def watch(self, lane: int, observation: Any) -> None:
        """Keep an observation for which no action is wanted; the next prediction sends it."""
        progress = self._running[lane]
        progress.watched.append([bytes(slab) for slab in self._observation.encode(observation)])
        progress.seen += 1

    def predict(self, lane: int, observation: Any) -> Any:
        """Return the action for an observation."""
        observed = m.Encoded(self._observation.encode(observation))
        done = self._ask(PredictForm.SINGLE, [lane], observed)
        return self._action.decode(self._checked(done.actions, None))

    def predict_batch(self, lanes: Sequence[int], observations: Any) -> Any:
        """Return the stacked actions for stacked observations."""
        count = len(lanes)
        observed = m.Encoded(self._observation.encode_batch(observations, count), count)
        done = self._ask(PredictForm.BATCH, lanes, observed)
        return self._action.decode_batch(self._checked(done.actions, count), count)

    def predict_values(self, lanes: Sequence[int], observations: Sequence[Any]) -> list[Any]:
        """Return the actions for several observations, predicted in one request."""
        count = len(lanes)
        observed = m.Encoded(self._observation.encode_values(observations), count)
        done = self._ask(PredictForm.BATCH, lanes, observed)
        return self._action.decode_values(self._checked(done.actions, count), count)

    def predict_chunk(self, lane: int, observation: Any, max_length: int) -> tuple[Any, int]:
        """Return a chunk of actions to execute one after another, stacked, and its length."""
        observed = m.Encoded(self._observation.encode(observation))
        done = self._ask(PredictForm.CHUNK, [lane], observed, max_length)
        count = done.chunk_length
        return self._action.decode_batch(self._checked(done.actions, count), count), count

    def predict_chunks(
        self, lanes: Sequence[int], observations: Any, max_length: int
    ) -> tuple[Any, int]:
        """Return the chunks for stacked observations, one after another, and the chunk length."""
        slabs = self._observation.encode_batch(observations, len(lanes))
        slabs, length = self._chunks(lanes, slabs, max_length)
        return self._action.decode_batch(slabs, len(lanes) * length), length

    def predict_value_chunks(
        self, lanes: Sequence[int], observations: Sequence[Any], max_length: int
    ) -> list[list[Any]]:
        """Return the chunk of actions for each of several observations."""
        encoded = self._observation.encode_values(observations)
        slabs, length = self._chunks(lanes, encoded, max_length)
        flat = self._action.decode_values(slabs, len(lanes) * length)
        return [flat[i : i + length] for i in range(0, len(flat), length)]

    def unstacked(self, chunk: Any, length: int) -> list[Any]:
        """Return stacked actions as a list."""
        return self._action.decode_values(self._action.encode_batch(chunk, length), length)

    def close(self) -> None:
        """End the session; may be called again."""
        self._session.close()

    def _chunks(self, lanes: Sequence[int], slabs: Any, max_length: int) -> tuple[list[Any], int]:
        count = len(lanes)
        done = self._ask(PredictForm.CHUNK_BATCH, lanes, m.Encoded(slabs, count), max_length)
        length = done.chunk_length
        return self._checked(done.actions, count * length), length

    def _ask(
        self, form: PredictForm, lanes: Sequence[int], observed: m.Encoded, max_length: int = 0
    ) -> Predicted:
        # The server refuses lanes without an episode.
        episodes = [self._running.get(lane) or Progress(0) for lane in lanes]
        steps = [episode.step for episode in episodes]
        earlier, prefixes = self._earlier(episodes, steps), self._prefixes(episodes)
        request = Predict(form, tuple(lanes), observed, max_length, *earlier, *prefixes)
        for episode, step in zip(episodes, steps):
            episode.asked(step)
        done = self._session.request(request, Predicted)
        for episode in episodes:
            episode.answered(done.chunk_length or 1)
        chunked = form in CHUNK_FORMS
        if chunked != (done.chunk_length > 0) or (max_length and done.chunk_length > max_length):
            message = f"chunks of {done.chunk_length} have come for a request of form {form.value}"
            raise CodecError(message, path="chunk_length", rule="P-9")
        return done

    def _earlier(
        self, episodes: Sequence[Progress], steps: Sequence[int]
    ) -> tuple[tuple[int, ...], tuple[int, ...], m.Encoded | None]:
        """Return the steps that the server cannot count, and the observations to send (P-14)."""
        watched = [slabs for episode in episodes for slabs in episode.watched]
        is_counted = all(episode.expected == step for episode, step in zip(episodes, steps))
        if Capability.EPISODE_STEPS not in self._session.server.capabilities:
            if not is_counted:
                raise UnsupportedError(
                    f"{self._address}: the server does not list CAPABILITY_EPISODE_STEPS, and "
                    f"would count other steps than {steps}; execute each action that is returned"
                )
            return (), (), None
        if not watched and is_counted and all(episode.agreed for episode in episodes):
            return (), (), None
        if not watched:
            return tuple(steps), (), None
        counts = tuple(len(episode.watched) for episode in episodes)
        slabs = [joined(parts) for parts in zip(*watched)]
        return tuple(steps), counts, m.Encoded(slabs, len(watched))

    def _prefixes(
        self, episodes: Sequence[Progress]
    ) -> tuple[tuple[int, ...], m.Encoded | None, tuple[int, ...]]:
        """Return the actions that the predictions continue (P-18)."""
        prefixes = [episode.prefix for episode in episodes if episode.prefix is not None]
        if not prefixes:
            return (), None, ()
        if len(prefixes) < len(episodes):
            actual = f"one for {len(prefixes)} of {len(episodes)}"
            raise InvalidValueError("action_prefix", "one for each episode, or none", actual)
        if not self.takes_prefix:
            raise UnsupportedError(
                f"{self._address}: the server does not list CAPABILITY_ACTION_PREFIX, and a "
                f"context has an action_prefix; serve a model without an adapter, whose chunk "
                f"forms take the context, with this version of RLMesh"
            )
        actions = [action for prefix in prefixes for action in prefix.actions]
        encoded = m.Encoded(self._action.encode_values(actions), len(actions))
        counts = tuple(len(prefix.actions) for prefix in prefixes)
        return counts, encoded, tuple(prefix.committed for prefix in prefixes)

    def _checked(self, actions: m.Encoded, expected: int | None) -> Any:
        if actions.batch_size != expected:
            message = f"a batch of {actions.batch_size} instead of {expected}"
            raise CodecError(message, path="action", rule="P-9")
        return actions.slabs
