"""RLMesh in PyTorch values, with clients that are Gymnasium environments."""

from rlmesh_torch._backend import BACKEND, TorchBackend, as_tensor
from rlmesh_torch._env import RemoteEnv, RemoteVectorEnv
from rlmesh_torch._model import Model
from rlmesh_torch._version import __version__

__all__ = [
    "BACKEND",
    "Model",
    "RemoteEnv",
    "RemoteVectorEnv",
    "TorchBackend",
    "__version__",
    "as_tensor",
]
