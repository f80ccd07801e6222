"""RLMesh in NumPy values, with clients that are Gymnasium environments.

The clients and `Model` are imported when they are first used (PEP 562): a server of an environment
needs the backend alone.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlmesh._lazy import lazy_names
from rlmesh_numpy._backend import BACKEND, NumpyBackend, asarray
from rlmesh_numpy._custom_spaces import register_space
from rlmesh_numpy._registration import make_env, register
from rlmesh_numpy._spaces import spaces_from_gymnasium, spaces_to_gymnasium
from rlmesh_numpy._vector import make_vector
from rlmesh_numpy._version import __version__

if TYPE_CHECKING:
    from rlmesh_numpy._env import RemoteEnv, RemoteVectorEnv
    from rlmesh_numpy._model import Model

__all__ = [
    "BACKEND",
    "Model",
    "NumpyBackend",
    "RemoteEnv",
    "RemoteVectorEnv",
    "__version__",
    "asarray",
    "make_env",
    "make_vector",
    "register",
    "register_space",
    "spaces_from_gymnasium",
    "spaces_to_gymnasium",
]

__getattr__ = lazy_names(
    __name__, {"Model": "_model", "RemoteEnv": "_env", "RemoteVectorEnv": "_env"}
)

register()
