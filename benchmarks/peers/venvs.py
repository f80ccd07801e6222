"""A virtual environment for each peer, under build/peers."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from benchmarks.peers.catalogue import OURS
from tools.pythons import REPOSITORY, fresh_venv, made_once

__all__ = ["BUILD", "PLOT", "import_path", "made"]

BUILD = REPOSITORY / "build" / "peers"

PLOT = "plot"
"""Name of the virtual environment that draws the plot."""

LIMIT = 900.0
"""Largest duration of an installation, in seconds."""

_SOURCES = ("packages/core/src", "packages/numpy/src", "gen/python/src")


def made(names: Iterable[str]) -> dict[str, Path | str]:
    """Return the Python of each virtual environment, made on demand; or the reason of a failure."""
    wanted = sorted(set(names))
    with ThreadPoolExecutor(2) as pool:
        return dict(zip(wanted, pool.map(_made, wanted)))


def import_path(name: str) -> str:
    """Return PYTHONPATH for the programs: the sides, and this project if it is measured."""
    folders = _SOURCES if name == OURS else ()
    return ":".join(str(REPOSITORY / folder) for folder in ("", *folders))


def _made(name: str) -> Path | str:
    requirements = REPOSITORY / "requirements" / f"peers-{name}.txt"
    folder = BUILD / "venvs" / name
    python = folder / "bin" / "python"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    try:
        with made_once(folder, digest) as needed:
            if needed:
                _install(fresh_venv(sys.executable, folder), requirements)
    except subprocess.TimeoutExpired:
        return f"Its installation took more than {LIMIT:g} s."
    except (OSError, subprocess.CalledProcessError) as error:
        return f"It could not be installed: {_last_line(error)}"
    return python


def _install(python: Path, requirements: Path) -> None:
    pip = [python, "-m", "pip", "--disable-pip-version-check"]
    command = [*pip, "install", "-qq", "--require-hashes", "-r", requirements]
    subprocess.run(
        [str(word) for word in command], check=True, capture_output=True, text=True, timeout=LIMIT
    )


def _last_line(error: OSError | subprocess.CalledProcessError) -> str:
    """Return the last line of pip's output, because earlier lines contain index addresses."""
    said = getattr(error, "stderr", None) or str(error)
    return said.strip().splitlines()[-1][:200]
