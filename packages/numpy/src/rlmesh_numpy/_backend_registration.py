"""`REGISTRATION`: the declaration of this backend, which the entry point refers to."""

from __future__ import annotations

from rlmesh.backends import BackendRegistration
from rlmesh_numpy._backend import BACKEND

__all__ = ["REGISTRATION"]

REGISTRATION = BackendRegistration(BACKEND, "rlmesh_numpy:Model")
