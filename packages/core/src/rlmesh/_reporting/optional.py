"""Imports of libraries that only a report needs; see `rlmesh._optional.optional_import`."""

from __future__ import annotations

from functools import partial

from rlmesh._optional import optional_import as of_extra

__all__ = ["needed"]

needed = partial(of_extra, extra="report")
