"""RLMesh in JAX values, with clients that are Gymnasium environments.

The clients and `Model` are imported when they are first used (PEP 562): a server of an environment
needs the backend alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlmesh._lazy import lazy_names
from rlmesh_jax._backend import BACKEND, JaxBackend, asarray
from rlmesh_jax._version import __version__

if TYPE_CHECKING:
    from rlmesh_jax._env import RemoteEnv, RemoteVectorEnv
    from rlmesh_jax._model import Model

__all__ = [
    "BACKEND",
    "JaxBackend",
    "Model",
    "RemoteEnv",
    "RemoteVectorEnv",
    "__version__",
    "asarray",
]

__getattr__ = lazy_names(
    __name__, {"Model": "_model", "RemoteEnv": "_env", "RemoteVectorEnv": "_env"}
)
