"""Wheels and sdists of every distribution."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from ..pythons import REPOSITORY

__all__ = ["Built", "build_all"]

# In the order in which they depend on each other.
PROJECTS = (
    "gen/python",
    "packages/core",
    "packages/numpy",
    "packages/torch",
    "packages/jax",
)


@dataclass(frozen=True)
class Built:
    """The built files of one distribution, under its name, such as "rlmesh-core"."""

    name: str
    wheel: Path
    sdist: Path


def build_all(folder: Path) -> dict[str, Built]:
    """Build all into an emptied folder; return them by the distribution's name."""
    if folder.exists():
        shutil.rmtree(folder)
    found = [_build(REPOSITORY / project, folder / Path(project).name) for project in PROJECTS]
    return {built.name: built for built in found}


def _build(project: Path, folder: Path) -> Built:
    """Build the sdist, then the wheel from the sdist, which is the default of `build`."""
    command = [sys.executable, "-m", "build", "--no-isolation"]
    command += ["--outdir", str(folder), str(project)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise SystemExit(f"smoke: {project.name} does not build:\n{done.stdout}{done.stderr}")
    (wheel,) = folder.glob("*.whl")
    (sdist,) = folder.glob("*.tar.gz")
    name = re.match(r"([a-z_]+)-", wheel.name)
    assert name is not None, wheel.name
    return Built(name.group(1).replace("_", "-"), wheel, sdist)
