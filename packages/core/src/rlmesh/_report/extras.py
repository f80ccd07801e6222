"""Imports of libraries that only a report needs; see `rlmesh._extras.library`."""

from __future__ import annotations

from functools import partial

from rlmesh._extras import library as of_extra

__all__ = ["needed"]

needed = partial(of_extra, extra="report")
