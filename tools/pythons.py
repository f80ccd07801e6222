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

# The versions that the packages declare.
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")

_PROBE = "import ensurepip, sys, venv; print('%d.%d' % sys.version_info[:2])"
_STAMP = ".rlmesh-stamp"


def find_python(version: str) -> str | None:
    """A program that is this Python, such as "3.12", and can make a venv; None without one."""
    for program in _candidates(version):
        try:
            done = subprocess.run(
                [program, "-c", _PROBE], capture_output=True, text=True, check=False
            )
        except OSError:
            continue
        # A shim of pyenv may exist and lead nowhere.
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
    """Make an empty virtual environment in place of what was there; returns its Python."""
    if folder.exists():
        shutil.rmtree(folder)
    folder.parent.mkdir(parents=True, exist_ok=True)
    subprocess.run([python, "-m", "venv", str(folder)], check=True)
    return folder / "bin" / "python"


@contextlib.contextmanager
def made_once(folder: Path, wanted: str) -> Generator[bool, None, None]:
    """Hold the folder's lock; yields whether it must be made, and stamps it afterwards.

    Args:
        folder: What is made; what was there is removed if it was made of something else.
        wanted: The digest of what it is made of.
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
    command = [python, "-m", "pip", "--disable-pip-version-check", "install", "-qq", *arguments]
    subprocess.run([str(word) for word in command], check=True, cwd=REPOSITORY)
