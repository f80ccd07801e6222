"""The version of rlmesh-core, released in lockstep with the spec."""

__version__ = "1.0.0rc3"
