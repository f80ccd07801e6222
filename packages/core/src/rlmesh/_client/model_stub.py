"""`ModelStub`: one session on a served model, for the values of one environment."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh._client.connect import client_name
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
from rlmesh._policy.forms import EpisodeContext
from rlmesh._session.client_session import ClientSession
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.versions import check_version, this_peer
from rlmesh._transport.grpc.client import GrpcConnection
from rlmesh._wire.failures import raise_model_failure
from rlmesh._wire.model_codec import MODEL_SERVICE, ModelWireCodec
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.adapters import ModelSpec, PredictForm
from rlmesh.backends import ArrayBackend
from rlmesh.errors import CodecError
from rlmesh.specs import EnvContract, PeerInfo

__all__ = ["FIRST_LANE", "Dial", "ModelStub"]

FIRST_LANE = 32_768
"""Lanes from here on are those of contexts; the others are the caller's own."""


@dataclass(frozen=True)
class Dial:
    """How a served model is reached.

    Attributes:
        transports: How its server is.
        terms: How sessions are opened.
    """

    transports: TransportChoice
    terms: ConnectOptions

    @property
    def client(self) -> PeerInfo:
        """What a client of the model says of itself."""
        return this_peer(client_name(), self.transports.can)

    def connect(self) -> GrpcConnection:
        """A new connection; raises OSError if a certificate cannot be read."""
        return self.transports.connect(MODEL_SERVICE)

    def describe(self, backend: ArrayBackend) -> ModelSpec:
        """What the server tells of its model.

        Raises:
            UnsupportedVersionError: If the versions do not talk.
            TransportError: If nobody answers.
        """
        codec = ModelWireCodec(backend)
        connection = self.connect()
        try:
            request = codec.write_describe_request(self.client)
            answer = connection.describe(request, self.terms.timeout)
            theirs = codec.read_server(answer).spec_version
            check_version(SPEC_VERSION, theirs, str(self.transports.where))
            return codec.read_description(answer)[1]
        finally:
            connection.close()


class _Lane:
    """A lane that an episode has; free again when the episode's context is gone."""

    def __init__(self, number: int, free: Callable[[int], object]) -> None:
        self.number = number
        self._free = free

    def __del__(self) -> None:
        self._free(self.number)


class ModelStub:
    """One session on a served model.

    Args:
        dial: How the model is reached.
        contract: The environment whose observations are going to come.
        backend: Whose values observations and actions are.

    Attributes:
        contract: The environment's contract.

    Raises:
        UnsupportedError: If the model does not fit the environment; says where.
        RemoteError: If the server refuses for another reason.
        TransportError: If nobody answers.
    """

    def __init__(self, dial: Dial, contract: EnvContract, backend: ArrayBackend) -> None:
        self.contract = contract
        self._session = ClientSession(
            dial.connect,
            ModelWireCodec(backend),
            dial.client,
            dial.terms,
            dial.transports.moves,
            contract=contract,
            raise_failure=raise_model_failure,
        )
        dial.transports.check(self._session)
        self._observation = SpaceCodec(
            contract.observation_space, backend, root="observation", validation="off"
        )
        self._action = SpaceCodec(contract.action_space, backend, root="action", validation="off")
        self._running: set[int] = set()
        self._free: list[int] = []
        self._next_lane = FIRST_LANE
        # Of a context's state. Another model may be asked of the same episode (an ensemble's), and
        # has it in a lane of its own.
        self._lane_key = ("rlmesh.lane", self._session.id)

    @property
    def transport(self) -> str:
        """How the session's frames travel: "grpc" or "frames"."""
        return self._session.transport

    @property
    def closed(self) -> bool:
        """Whether the session is over."""
        return self._session.closed

    def start(self, lane: int, episode_id: str, seed: int | None, instruction: str | None) -> None:
        """Begin an episode in a lane."""
        body = StartEpisode(lane, episode_id, seed, instruction)
        self._running.discard(lane)
        self._session.request(body, EpisodeStarted)
        self._running.add(lane)

    def end(self, lane: int) -> None:
        """End the episode in a lane."""
        self._session.request(EndEpisode(lane), EpisodeEnded)
        self._running.discard(lane)

    def begin(self, context: EpisodeContext) -> None:
        """Begin the episode of a context, in a lane that it has until it is gone, or ended."""
        lane = self._free.pop() if self._free else self._next_lane
        self._next_lane = max(self._next_lane, lane + 1)
        held = _Lane(lane, self._free.append)
        self.start(lane, context.episode_id, context.seed, context.instruction)
        context.state[self._lane_key] = held

    def finish(self, context: EpisodeContext) -> None:
        """The episode of a context is over; nothing happens where it has none."""
        held = context.state.pop(self._lane_key, None)
        if isinstance(held, _Lane) and held.number in self._running and not self.closed:
            self.end(held.number)

    def lane_of(self, context: EpisodeContext) -> int:
        """The lane of a context, whose episode begins where it has none."""
        if self._lane_key not in context.state:
            self.begin(context)
        lane: int = context.state[self._lane_key].number
        return lane

    def lane_for(self, context: EpisodeContext | None) -> int:
        """The lane of a context, or the caller's first one, with an episode in it."""
        return self._own(1)[0] if context is None else self.lane_of(context)

    def lanes_for(
        self, observations: Any, contexts: Sequence[EpisodeContext] | None
    ) -> Sequence[int]:
        """The lanes of contexts, or of the caller's own, for stacked observations; see `lane_for`.

        Raises:
            InvalidValueError: If the observations are not stacked.
        """
        count = self._observation.length(observations)
        if contexts is None:
            return self._own(count)
        return [self.lane_of(context) for context in contexts]

    def _own(self, count: int) -> Sequence[int]:
        """The first lanes of the caller's own; an episode begins in those that have none."""
        for lane in range(count):
            if lane not in self._running:
                self.start(lane, "", None, None)
        return range(count)

    def predict(self, lane: int, observation: Any) -> Any:
        """The action for an observation."""
        observed = m.Encoded(self._observation.encode(observation))
        done = self._ask(PredictForm.SINGLE, [lane], observed)
        return self._action.decode(self._checked(done.actions, None))

    def predict_batch(self, lanes: Sequence[int], observations: Any) -> Any:
        """The actions for stacked observations, stacked."""
        count = len(lanes)
        observed = m.Encoded(self._observation.encode_batch(observations, count), count)
        done = self._ask(PredictForm.BATCH, lanes, observed)
        return self._action.decode_batch(self._checked(done.actions, count), count)

    def predict_values(self, lanes: Sequence[int], observations: Sequence[Any]) -> list[Any]:
        """The actions for several observations, asked for at once."""
        count = len(lanes)
        observed = m.Encoded(self._observation.encode_values(observations), count)
        done = self._ask(PredictForm.BATCH, lanes, observed)
        return self._action.decode_values(self._checked(done.actions, count), count)

    def predict_chunk(self, lane: int, observation: Any, most: int) -> tuple[Any, int]:
        """Actions to take one after another, stacked, and how many they are."""
        observed = m.Encoded(self._observation.encode(observation))
        done = self._ask(PredictForm.CHUNK, [lane], observed, most)
        count = done.chunk_length
        return self._action.decode_batch(self._checked(done.actions, count), count), count

    def predict_chunks(self, lanes: Sequence[int], observations: Any, most: int) -> tuple[Any, int]:
        """Actions for stacked observations, all of the first first, and how many for each."""
        slabs = self._observation.encode_batch(observations, len(lanes))
        slabs, length = self._chunks(lanes, slabs, most)
        return self._action.decode_batch(slabs, len(lanes) * length), length

    def predict_value_chunks(
        self, lanes: Sequence[int], observations: Sequence[Any], most: int
    ) -> list[list[Any]]:
        """The actions to take after each of several observations."""
        slabs, length = self._chunks(lanes, self._observation.encode_values(observations), most)
        flat = self._action.decode_values(slabs, len(lanes) * length)
        return [flat[i : i + length] for i in range(0, len(flat), length)]

    def unstacked(self, chunk: Any, length: int) -> list[Any]:
        """Stacked actions one by one."""
        return self._action.decode_values(self._action.encode_batch(chunk, length), length)

    def close(self) -> None:
        """End the session; may be called again."""
        self._session.close()

    def _chunks(self, lanes: Sequence[int], slabs: Any, most: int) -> tuple[list[Any], int]:
        count = len(lanes)
        done = self._ask(PredictForm.CHUNK_BATCH, lanes, m.Encoded(slabs, count), most)
        length = done.chunk_length
        return self._checked(done.actions, count * length), length

    def _ask(
        self, form: PredictForm, lanes: Sequence[int], observed: m.Encoded, most: int = 0
    ) -> Predicted:
        done = self._session.request(Predict(form, tuple(lanes), observed, most), Predicted)
        chunked = form in (PredictForm.CHUNK, PredictForm.CHUNK_BATCH)
        if chunked != (done.chunk_length > 0) or (most and done.chunk_length > most):
            message = f"chunks of {done.chunk_length} have come for a request of form {form.value}"
            raise CodecError(message, path="chunk_length")
        return done

    def _checked(self, actions: m.Encoded, expected: int | None) -> Any:
        if actions.batch_size != expected:
            message = f"a batch of {actions.batch_size} instead of {expected}"
            raise CodecError(message, path="action")
        return actions.slabs
