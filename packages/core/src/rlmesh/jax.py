"""RLMesh in JAX values: the names of `rlmesh_jax`, which is published separately."""

try:
    from rlmesh_jax import (
        BACKEND,
        JaxBackend,
        Model,
        RemoteEnv,
        RemoteVectorEnv,
        asarray,
    )
except ImportError as _error:
    if _error.name != "rlmesh_jax":
        raise
    raise ImportError(
        'rlmesh.jax needs rlmesh-jax: pip install "rlmesh-core[jax]"', name="rlmesh_jax"
    ) from _error

__all__ = [
    "BACKEND",
    "JaxBackend",
    "Model",
    "RemoteEnv",
    "RemoteVectorEnv",
    "asarray",
]
