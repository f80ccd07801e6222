"""`REGISTRATION`: the declaration of this backend, which the entry point refers to."""

from __future__ import annotations

from rlmesh.backends import BackendRegistration
from rlmesh_jax._backend import BACKEND, JaxBackend
from rlmesh_jax._model import Model

__all__ = ["REGISTRATION"]

REGISTRATION = BackendRegistration(BACKEND, Model, JaxBackend)
