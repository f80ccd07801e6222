"""Libraries that only a recording needs; see `rlmesh._optional.library`."""

from __future__ import annotations

from functools import partial

from rlmesh._optional import library as of_extra

__all__ = ["library"]

library = partial(of_extra, extra="record")
