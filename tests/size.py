"""How much of the suite runs: `make test-long` sets `RLMESH_TEST_SIZE=long` and runs all of it."""

from __future__ import annotations

import os

import pytest

__all__ = ["LONG", "only_long"]

LONG = os.environ.get("RLMESH_TEST_SIZE") == "long"

only_long = pytest.mark.skipif(not LONG, reason="runs in `make test-long`")
"""Marks a test whose subject is proven at a smaller size in the default run."""
