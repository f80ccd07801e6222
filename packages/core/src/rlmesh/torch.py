"""RLMesh in PyTorch values: the names of `rlmesh_torch`, which is published separately."""

try:
    from rlmesh_torch import (
        BACKEND,
        Model,
        RemoteEnv,
        RemoteVectorEnv,
        TorchBackend,
        as_tensor,
    )
except ImportError as _error:
    if _error.name != "rlmesh_torch":
        raise
    raise ImportError(
        'rlmesh.torch needs rlmesh-torch: pip install "rlmesh-core[torch]"', name="rlmesh_torch"
    ) from _error

__all__ = [
    "BACKEND",
    "Model",
    "RemoteEnv",
    "RemoteVectorEnv",
    "TorchBackend",
    "as_tensor",
]
