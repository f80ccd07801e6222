"""The version of rlmesh-jax, released in lockstep with the spec."""

__version__ = "1.0.0rc3"
