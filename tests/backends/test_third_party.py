"""The suite of all backends takes one of another package, without a line of ours."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest


def test_the_suite_passes_on_a_backend_that_it_does_not_list() -> None:
    pytest.importorskip("rlmesh_numpy")
    files = [f"tests/backends/test_{name}.py" for name in ("backends", "casts", "models")]
    flags = ["-q", "-k", "third_party", "-p", "no:cacheprovider", "-p", "no:xdist"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *flags, *files],
        env={**os.environ, "RLMESH_TEST_LIBRARY": "tests.backends.third_party:LIBRARY"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
