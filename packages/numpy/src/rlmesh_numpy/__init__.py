"""RLMesh in NumPy values, with clients that are Gymnasium environments."""

from rlmesh_numpy._backend import BACKEND, NumpyBackend, asarray
from rlmesh_numpy._env import RemoteEnv, RemoteVectorEnv
from rlmesh_numpy._model import Model
from rlmesh_numpy._registration import make_env, register
from rlmesh_numpy._spaces import spaces_from_gymnasium, spaces_to_gymnasium
from rlmesh_numpy._vector import make_vector
from rlmesh_numpy._version import __version__

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
    "spaces_from_gymnasium",
    "spaces_to_gymnasium",
]

register()
