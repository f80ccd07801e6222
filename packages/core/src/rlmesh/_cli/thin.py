"""`rlmesh thin`: prints the thin host, an environment server in one file for old simulators."""

from __future__ import annotations

import sys
from importlib.resources import files

__all__ = ["thin"]


def thin() -> None:
    """Print the thin host: one file that serves an environment on Python 3.6 and later."""
    sys.stdout.write(files("rlmesh._cli").joinpath("thin_host.txt").read_text(encoding="utf-8"))
