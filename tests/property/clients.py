"""The public module of each array library's clients."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["client_module"]

_MODULES = {"native": "rlmesh", "jax-x64": "rlmesh.jax"}


def client_module(library: str) -> Any:
    """The module that has `RemoteEnv` and `RemoteVectorEnv`."""
    return importlib.import_module(_MODULES.get(library, f"rlmesh.{library}"))
