"""Requests and replies of a model's session; see `rlmesh._messages.env`."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rlmesh._messages.env import Encoded, Info, ModelReply, ModelRequest

if TYPE_CHECKING:
    from rlmesh.adapters import PredictForm

__all__ = [
    "EndEpisode",
    "EpisodeEnded",
    "EpisodeStarted",
    "Predict",
    "Predicted",
    "StartEpisode",
]


@dataclass(frozen=True)
class StartEpisode(ModelRequest):
    """Begins an episode in a lane; one that runs there ends."""

    lane: int
    episode_id: str = ""
    seed: int | None = None
    instruction: str | None = None


@dataclass(frozen=True)
class Predict(ModelRequest):
    """Requests actions.

    Attributes:
        form: Form of the request; None: a form that this version does not know.
        lanes: Lanes of the observations.
        observation: The observation, or a batch with one for each lane.
        max_chunk_length: Maximum number of actions of a chunk; 0: no limit.
        steps: Step of the observation of each lane; empty: the server counts.
        observed_counts: Number of observations of each lane in `observed`; empty: none.
        observed: Earlier observations for which no action is wanted, as a batch, all of the first
            lane first, the oldest first; None: there are none.
        prefix_counts: Number of actions of each lane in `prefix`; empty: there is no prefix.
        prefix: Actions of an earlier chunk for the steps from that of the observation on, as a
            batch, all of the first lane first; None: there is no prefix.
        committed_counts: Number of the first actions of each lane's prefix that are applied
            whatever the model predicts; empty: there is no prefix.
    """

    form: PredictForm | None
    lanes: tuple[int, ...]
    observation: Encoded
    max_chunk_length: int = 0
    steps: tuple[int, ...] = ()
    observed_counts: tuple[int, ...] = ()
    observed: Encoded | None = None
    prefix_counts: tuple[int, ...] = ()
    prefix: Encoded | None = None
    committed_counts: tuple[int, ...] = ()


@dataclass(frozen=True)
class EndEpisode(ModelRequest):
    """Ends the episode in a lane."""

    lane: int


@dataclass(frozen=True)
class EpisodeStarted(ModelReply):
    """The episode has begun."""


@dataclass(frozen=True)
class Predicted(ModelReply):
    """The actions.

    Attributes:
        actions: One action; for lanes and chunks a batch, all of the first lane first.
        chunk_length: Number of actions of each chunk; 0: the actions are not chunks.
        info: Other facts about the actions.
        call_us: Microseconds in the model's own code; 0: not measured.
    """

    actions: Encoded
    chunk_length: int = 0
    info: Info = field(default_factory=dict)
    call_us: int = 0


@dataclass(frozen=True)
class EpisodeEnded(ModelReply):
    """The episode has ended."""
