"""`REGISTRATION`: the declaration of this backend, which the entry point refers to."""

from __future__ import annotations

from rlmesh.backends import BackendRegistration
from rlmesh_numpy._backend import BACKEND
from rlmesh_numpy._model import Model

__all__ = ["REGISTRATION"]

REGISTRATION = BackendRegistration(BACKEND, Model)
