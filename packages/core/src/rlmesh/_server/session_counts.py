"""`SessionCounts`: the steps and episodes of a session, counted from its replies."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rlmesh._messages import env as m
from rlmesh._messages.model import EndEpisode, Predict, StartEpisode
from rlmesh.backends import Buffer
from rlmesh.errors import RLMeshError

__all__ = ["SessionCounts"]


class SessionCounts:
    """Counts of one session, written by the thread that answers its requests.

    Args:
        new_reader: Returns a reader of frames of replies, for frames that a worker process writes.

    Attributes:
        steps: Number of steps, of all lanes.
        episodes: Number of episodes that have ended, of all lanes; those of a model have at least
            one prediction.
        step: Number of steps, or predictions, since the last reset.
    """

    def __init__(self, new_reader: Callable[[], Callable[[Buffer], tuple[int, m.Reply]]]) -> None:
        self.steps = self.episodes = self.step = 0
        self._new_reader = new_reader
        self._read: Callable[[Buffer], tuple[int, m.Reply]] | None = None
        # Lanes of a model with a prediction; an episode without one has not been played.
        self._playing: set[int] = set()

    def add(self, body: m.RequestBody, reply: m.Reply | bytes) -> m.Failure | None:
        """Count a request with its reply; return the failure that the reply has, if any."""
        read = self._parsed(reply) if isinstance(reply, bytes) else reply
        if isinstance(read, m.Failure):
            return read
        if isinstance(read, m.StepDone):
            self._count((read,))
        elif isinstance(read, m.StepManyDone):
            self._count(read.steps)
            return read.failure
        elif isinstance(read, m.ResetDone):
            self.step = 0
        elif isinstance(body, Predict):
            self.step += 1
            self._playing.update(body.lanes)
        elif isinstance(body, (StartEpisode, EndEpisode)) and body.lane in self._playing:
            self._playing.remove(body.lane)  # One that begins ends the one before it.
            self.episodes += 1
        return None

    def _parsed(self, frame: bytes) -> m.Reply | None:
        """Return the reply of a frame; None: the client will refuse it."""
        if self._read is None:
            self._read = self._new_reader()
        try:
            return self._read(frame)[1]
        except RLMeshError:
            return None

    def _count(self, done: Sequence[m.StepDone]) -> None:
        self.step += len(done)
        for step in done:
            if step.lanes is None:
                self.steps += 1
                self.episodes += step.terminated or step.truncated
            else:
                terminated, truncated = bytes(step.lanes.terminated), bytes(step.lanes.truncated)
                self.steps += len(terminated)
                self.episodes += sum(a or b for a, b in zip(terminated, truncated))
