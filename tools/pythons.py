"""The Python interpreters of this machine, and virtual environments made from them."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import subprocess
import sys
from collections.abc import Generator, Iterator, Sequence
from pathlib import Path

__all__ = ["REPOSITORY", "SUPPORTED", "find_python", "fresh_venv", "made_once", "pip_install"]

REPOSITORY = Path(__file__).resolve().parents[1]

# The Python versions that the packages declare.
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")

_PROBE = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
_STAMP = ".rlmesh-stamp"


def find_python(version: str) -> str | None:
    """Return a program of this Python version that can make a venv; None if there is none."""
    for program in _candidates(version):
        try:
            done = subprocess.run(
                [program, "-c", _PROBE], capture_output=True, text=True, check=False
            )
        except OSError:
            continue
        # A pyenv shim may exist without the Python that it names.
        if done.returncode == 0 and done.stdout.strip() == version:
            return program
    return None


def _candidates(version: str) -> Iterator[str]:
    named = shutil.which(f"python{version}")
    if named is not None:
        yield named
    yield f"/usr/bin/python{version}"
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")) / "versions"
    yield from sorted(str(path) for path in pyenv.glob(f"{version}.*/bin/python"))
    if "{}.{}".format(*sys.version_info[:2]) == version:
        yield sys.executable


def fresh_venv(python: str, folder: Path) -> Path:
    """Make an empty virtual environment in place of an old one; return its Python."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    return folder / "bin" / "python"


@contextlib.contextmanager
def made_once(folder: Path, wanted: str) -> Generator[bool, None, None]:
    """Hold the folder's lock; yield whether it must be made, and stamp it afterwards.

    Args:
        folder: The folder; an old one is removed if it was made from something else.
        wanted: Digest of what the folder is made from.
    """
    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.with_suffix(".lock"), "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = folder / _STAMP
        needed = not stamp.is_file() or stamp.read_text() != wanted
        if needed and folder.exists():
            shutil.rmtree(folder)
        yield needed
        if needed:
            stamp.write_text(wanted)


def pip_install(python: Path, arguments: Sequence[str | Path]) -> None:
    """Run `pip install`, silent unless it fails."""
    options = ("--disable-pip-version-check", "install", "-qq", "--no-compile")
    command = [python, "-m", "pip", *options, *arguments]
    subprocess.run([str(word) for word in command], check=True, cwd=REPOSITORY)
