"""Imports of libraries that only a recording needs; see `rlmesh._extras.library`."""

from __future__ import annotations

from functools import partial

from rlmesh._extras import library as of_extra

__all__ = ["library"]

library = partial(of_extra, extra="record")
