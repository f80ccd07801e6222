"""`tag`: tags as an attribute of an environment, which wrappers around it need not know."""

from __future__ import annotations

from typing import Any, TypeVar

from rlmesh.adapters._slots import tag_problems
from rlmesh.adapters._tags import TAGS_ATTRIBUTE, EnvTags
from rlmesh.spaces import Space, from_gymnasium

__all__ = ["tag"]

Env = TypeVar("Env")


def tag(env: Env, tags: EnvTags) -> Env:
    """Set the tags of an environment, so that whatever plays or serves it knows them.

    An environment within wrappers may be tagged before it is wrapped; a wrapper that changes a
    space needs tags of its own.

    Args:
        env: The environment, single or vector.
        tags: What the leaves of its spaces mean.

    Returns:
        The environment, with the tags as its attribute `rlmesh_tags`.

    Raises:
        ValueError: If the tags do not fit its spaces, with every problem.
    """
    prefix = "single_" if hasattr(env, "single_observation_space") else ""
    names = (f"{prefix}{side}_space" for side in ("observation", "action"))
    observation, action = (_space(getattr(env, name)) for name in names)
    problems = tag_problems(tags, observation, action)
    if problems:
        raise ValueError("tags: " + "; ".join(map(str, problems)))
    setattr(env, TAGS_ATTRIBUTE, tags)
    return env


def _space(space: Any) -> Space[Any]:
    return space if isinstance(space, Space) else from_gymnasium(space)
