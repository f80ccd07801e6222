"""Random actions in a remote environment, single or vector, with a count of its episodes."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

import rlmesh
from rlmesh._cli.description import Description
from rlmesh.spaces._sample_size import check_sample_size
from rlmesh.specs import AutoresetMode

__all__ = ["Episode", "RandomDriver", "connect"]


def connect(
    description: Description, **arguments: Any
) -> rlmesh.RemoteEnv | rlmesh.RemoteVectorEnv:
    """Return a client of an endpoint, for the single environment or the vector that it serves."""
    client = rlmesh.RemoteVectorEnv if description.contract.vector else rlmesh.RemoteEnv
    return client(description.address, **arguments)


@dataclass
class Episode:
    """An episode of one lane; `seed` is None if the vector chose it by itself."""

    lane: int
    seed: int | None
    reward: float = 0.0
    steps: int = 0
    terminated: bool = False
    truncated: bool = False

    def facts(self) -> dict[str, Any]:
        """Return the episode in the form of JSON."""
        return asdict(self)


@dataclass
class RandomDriver:
    """A player of random actions, which are the same in every episode for the same seed.

    Attributes:
        env: The client.
        seed: Seed of the actions and of the first episode; a vector derives those of its lanes.
        lanes: The running episode of each lane.
        finished: Episodes that have ended, in that order.
        info: Info of the last reset or step.
        rewards: Reward of each lane in the last step.

    Raises:
        SpaceError: If random actions would take too much memory.
    """

    env: Any
    seed: int
    lanes: list[Episode] = field(default_factory=list)
    finished: list[Episode] = field(default_factory=list)
    info: dict[str, Any] = field(default_factory=dict)
    rewards: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        contract = self.env.env_contract
        self._vector, self._count = contract.vector, contract.num_envs
        self._mode = contract.autoreset_mode
        self._space = contract.action_space
        check_sample_size(self._space, self._count)
        self._space.seed(self.seed)
        self._over = [True] * self._count

    def action(self) -> Any:
        """Return a random action, for every lane."""
        if not self._vector:
            return self._space.sample()
        return [self._space.sample() for _ in range(self._count)]

    @property
    def must_reset(self) -> bool:
        """Whether the next call has to be a reset."""
        if not self.lanes or not self._vector:
            return self._over[0]
        return self._mode is AutoresetMode.DISABLED and any(self._over)

    def reset(self) -> float:
        """Start the episodes that are due, and return the seconds of the call."""
        fresh, over = not self.lanes, list(self._over)
        # A vector is seeded once; a partial reset of some lanes lets their generators go on.
        seed = self.seed + len(self.finished) if fresh or not self._vector else None
        options = None if fresh or not self._vector else {"reset_mask": over}
        begun = time.perf_counter()
        _, self.info = self.env.reset(seed=seed, options=options)
        seconds = time.perf_counter() - begun
        if fresh:
            self.lanes = [Episode(i, None if self._vector else seed) for i in range(self._count)]
        else:
            self.lanes = [
                Episode(i, seed) if o else e for i, (e, o) in enumerate(zip(self.lanes, over))
            ]
        self._over = [False] * self._count
        return seconds

    def step(self, action: Any) -> float:
        """Apply an action, count the step, and return the seconds of the call."""
        begun = time.perf_counter()
        _, rewards, terminated, truncated, self.info = self.env.step(action)
        seconds = time.perf_counter() - begun
        if not self._vector:
            rewards, terminated, truncated = [rewards], [terminated], [truncated]
        self.rewards = list(map(float, rewards))
        for lane, flags in enumerate(zip(terminated, truncated)):
            self._count_lane(lane, *flags)
        return seconds

    def _count_lane(self, lane: int, terminated: bool, truncated: bool) -> None:
        if self._over[lane]:
            # With NEXT_STEP this step was the reset after the end of the lane's episode.
            self._over[lane] = False
            self.lanes[lane] = Episode(lane, None)
            return
        episode = self.lanes[lane]
        episode.reward += self.rewards[lane]
        episode.steps += 1
        if terminated or truncated:
            episode.terminated, episode.truncated = bool(terminated), bool(truncated)
            self.finished.append(episode)
            if self._mode is AutoresetMode.SAME_STEP:
                self.lanes[lane] = Episode(lane, None)
            else:
                self._over[lane] = True
