"""RLMesh in JAX values, with clients that are Gymnasium environments."""

from rlmesh_jax._backend import BACKEND, JaxBackend, asarray
from rlmesh_jax._env import RemoteEnv, RemoteVectorEnv
from rlmesh_jax._model import Model
from rlmesh_jax._version import __version__

__all__ = [
    "BACKEND",
    "JaxBackend",
    "Model",
    "RemoteEnv",
    "RemoteVectorEnv",
    "__version__",
    "asarray",
]
