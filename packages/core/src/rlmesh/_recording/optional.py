"""Imports of libraries that only a recording needs; see `rlmesh._optional.optional_import`."""

from __future__ import annotations

from functools import partial

from rlmesh._optional import optional_import as of_extra

__all__ = ["optional_import"]

optional_import = partial(of_extra, extra="record")
