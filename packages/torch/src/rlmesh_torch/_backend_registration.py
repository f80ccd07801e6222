"""`REGISTRATION`: the declaration of this backend, which the entry point refers to."""

from __future__ import annotations

from rlmesh.backends import BackendRegistration
from rlmesh_torch._backend import BACKEND, TorchBackend

__all__ = ["REGISTRATION"]

REGISTRATION = BackendRegistration(BACKEND, "rlmesh_torch:Model", TorchBackend)
