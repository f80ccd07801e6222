"""`WrappingPolicy`: base of a policy that makes other actions of those of another policy."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from rlmesh._policy.forms import EpisodeContext
from rlmesh._policy.policy import Policy

__all__ = ["WrappingPolicy"]

S = TypeVar("S")


class WrappingPolicy(ABC, Generic[S]):
    """Base of a `Policy` around another one, with a state for each episode; without `actions`.

    Args:
        policy: The policy that is wrapped.
    """

    takes_prefix = False

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._states: dict[EpisodeContext, S] = {}
        self.is_batched = policy.is_batched
        self.sees_all = policy.sees_all
        self.max_batch_size = policy.max_batch_size
        self.predicts_chunks = policy.predicts_chunks

    @abstractmethod
    def _new_state(self) -> S:
        """Return the state of an episode that begins."""

    def begin(
        self, episode_id: str, *, seed: int | None, instruction: str | None
    ) -> EpisodeContext:
        """Return the context of a new episode; see `Policy.begin`."""
        context = self._policy.begin(episode_id, seed=seed, instruction=instruction)
        self._states[context] = self._new_state()
        return context

    def watch(self, observation: Any, context: EpisodeContext) -> None:
        """Keep an observation for which no action is wanted; see `Policy.watch`."""
        self._policy.watch(observation, context)

    def end(self, context: EpisodeContext) -> None:
        """Forget an episode; see `Policy.end`."""
        self._states.pop(context, None)
        self._policy.end(context)

    def close(self) -> None:
        """Release the policy; see `Policy.close`."""
        self._policy.close()
