"""`gymnasium.make("rlmesh/Remote-v0", address=...)`, and environments made by their id."""

from __future__ import annotations

from typing import Any

import gymnasium

__all__ = ["REMOTE_ID", "make_env", "register"]

REMOTE_ID = "rlmesh/Remote-v0"
"""Id under which Gymnasium makes a remote environment."""


def register() -> None:
    """Register the remote environment with Gymnasium; idempotent."""
    if REMOTE_ID not in gymnasium.registry:
        gymnasium.register(
            REMOTE_ID,
            entry_point="rlmesh_numpy:RemoteEnv",
            vector_entry_point="rlmesh_numpy._env:make_remote_vector",
        )


def make_env(env_id: str, **kwargs: Any) -> gymnasium.Env[Any, Any]:
    """Return a registered environment.

    Raises:
        ValueError: If the id is not registered, or a dependency is missing.
    """
    try:
        return gymnasium.make(env_id, **kwargs)
    except gymnasium.error.Error as error:
        raise ValueError(str(error)) from error
