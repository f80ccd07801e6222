"""RLMesh in NumPy values: the names of `rlmesh_numpy`, which is published separately."""

try:
    from rlmesh_numpy import (
        BACKEND,
        Model,
        NumpyBackend,
        RemoteEnv,
        RemoteVectorEnv,
        asarray,
        register_space,
    )
except ImportError as _error:
    if _error.name != "rlmesh_numpy":
        raise
    raise ImportError(
        'rlmesh.numpy needs rlmesh-numpy: pip install "rlmesh-core[numpy]"', name="rlmesh_numpy"
    ) from _error

__all__ = [
    "BACKEND",
    "Model",
    "NumpyBackend",
    "RemoteEnv",
    "RemoteVectorEnv",
    "asarray",
    "register_space",
]
