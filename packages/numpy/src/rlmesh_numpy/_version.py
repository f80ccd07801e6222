"""The version of rlmesh-numpy, released in lockstep with the spec."""

__version__ = "1.0.0rc3"
