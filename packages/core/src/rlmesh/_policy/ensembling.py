"""`EnsemblingPolicy`: the weighted mean of what several chunks predict for a step."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh._policy.forms import EpisodeContext
from rlmesh._policy.policy import Policy
from rlmesh._policy.wrapping import WrappingPolicy
from rlmesh.acting import TemporalEnsemble
from rlmesh.backends import ArrayBackend
from rlmesh.spaces import Box, Dict, Space, Tuple, path_text

__all__ = ["EnsemblingPolicy", "weighted_mean"]

_Chunk = list[list[tuple[float, ...]]]
"""The type of a chunk as its actions, and of these the numbers of each leaf."""


class EnsemblingPolicy(WrappingPolicy["deque[tuple[int, _Chunk]]"]):
    """A `Policy` by `TemporalEnsemble`, of one that returns whole chunks.

    Args:
        policy: The policy that returns the chunks.
        rule: The weights.
        space: Action space.
        backend: Backend of the actions.

    Raises:
        ValueError: If a leaf of the space is not a Box of floats.
    """

    def __init__(
        self,
        policy: Policy,
        rule: TemporalEnsemble,
        space: Space[Any],
        backend: ArrayBackend,
    ) -> None:
        super().__init__(policy)
        self._decay = rule.decay
        self._leaves = tuple(_float_leaves(space, ()))
        self._codec = SpaceCodec(space, backend, root="action", validation="off")

    def _new_state(self) -> deque[tuple[int, _Chunk]]:
        return deque()

    def actions(
        self, observations: Sequence[Any], contexts: Sequence[EpisodeContext]
    ) -> list[list[Any]]:
        """Return one action for each observation; see `Policy.actions`."""
        found = self._policy.actions(observations, contexts)
        return [[self._mean(chunk, context)] for chunk, context in zip(found, contexts)]

    def _mean(self, chunk: Sequence[Any], context: EpisodeContext) -> Any:
        chunks, step = self._states[context], context.step
        if chunks and chunks[-1][0] == step:
            chunks.pop()  # A session was asked twice.
        chunks.append((step, self._numbers(chunk)))
        while chunks[0][0] + len(chunks[0][1]) <= step:
            chunks.popleft()
        # One chunk may be shorter than an older one.
        said = [actions[step - at] for at, actions in chunks if step - at < len(actions)]
        slabs = [
            leaf.dtype.pack(weighted_mean(numbers, self._decay) for numbers in zip(*by_chunk))
            for leaf, by_chunk in zip(self._leaves, zip(*said), strict=True)
        ]
        return self._codec.decode(slabs)

    def _numbers(self, chunk: Sequence[Any]) -> _Chunk:
        found: _Chunk = [[] for _ in chunk]
        for leaf, slab in zip(self._leaves, self._codec.encode_values(chunk), strict=True):
            numbers = leaf.dtype.unpack(bytes(slab))
            for i, action in enumerate(found):
                action.append(numbers[i * leaf.size : (i + 1) * leaf.size])
        return found


def weighted_mean(numbers: Sequence[float], decay: float) -> float:
    """Return the mean of numbers, the oldest first, with the weights `exp(-decay * i)`.

    The mean is never outside the numbers, so that those within bounds have a mean within them.
    """
    # The largest exponent is 0: weights are relative, and others could be beyond every float.
    last = len(numbers) - 1
    weights = [math.exp(-decay * i if decay >= 0 else decay * (last - i)) for i in range(last + 1)]
    total = math.fsum(weights)
    mean = sum(weight * number for weight, number in zip(weights, numbers)) / total
    if math.isnan(mean):
        return mean
    return min(max(mean, min(numbers)), max(numbers))


def _float_leaves(space: Space[Any], path: tuple[str | int, ...]) -> Iterator[Box]:
    """Yield each leaf, in the order of the slabs."""
    if isinstance(space, Box) and space.dtype.is_float:
        yield space
    elif isinstance(space, (Dict, Tuple)):
        for key, child in space.children:
            yield from _float_leaves(child, (*path, key))
    else:
        raise ValueError(
            f"TemporalEnsemble: expected an action space of Box with floats, got {space!r} at "
            f"action{path_text(path)}; its values have no mean"
        )
