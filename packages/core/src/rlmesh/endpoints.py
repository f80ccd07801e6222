"""Endpoints of evaluations that move, join and leave; see `rlmesh.evaluate`."""

from rlmesh._evaluation.directory import Directory, Pool
from rlmesh._evaluation.endpoint import Endpoint

__all__ = ["Directory", "Endpoint", "Pool"]
