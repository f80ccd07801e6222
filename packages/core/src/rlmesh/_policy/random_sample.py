"""`RANDOM_SAMPLE`: the baseline that draws its actions at random."""

from __future__ import annotations

import copy
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh._policy.forms import EpisodeContext
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.spaces import Space
from rlmesh.spaces._sample_size import check_sample_size

__all__ = ["RANDOM_SAMPLE", "RandomSample", "Sampler"]


class RandomSample:
    """A model's source that samples its actions from the action space, seeded by the episode."""

    def __repr__(self) -> str:
        return "RANDOM_SAMPLE"


RANDOM_SAMPLE = RandomSample()
"""The only instance of `RandomSample`."""


class Sampler:
    """A model of random actions, with one generator per episode, so that equal seeds act equally.

    Args:
        space: The action space.
        backend: Backend of the actions.

    Raises:
        SpaceError: If random actions would take too much memory.
    """

    def __init__(self, space: Space[Any], backend: ArrayBackend) -> None:
        check_sample_size(space)
        self._space = space
        self._drawn = SpaceCodec(space, NATIVE, root="action", validation="off")
        self._given = SpaceCodec(space, backend, root="action", validation="off")
        self._is_native = backend is NATIVE

    def predict(self, observation: Any, context: EpisodeContext) -> Any:
        """Return a random action; the observation is ignored."""
        space = context.state.get("space")
        if space is None:
            space = context.state["space"] = copy.deepcopy(self._space)
            space.seed(context.seed)
        action = space.sample()
        return action if self._is_native else self._given.decode(self._drawn.encode(action))
