"""`python -m tools.floors`: run the tests once for each set of requirements/floor-*.txt."""

from __future__ import annotations

import argparse
import hashlib
import shlex
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ..pythons import REPOSITORY, find_python, fresh_venv, pip_install

__all__ = ["LEGS", "Leg", "main"]

FOLDER = REPOSITORY / "build" / "floors"
PROJECTS = ("gen/python", "packages/core", "packages/numpy")
TESTS = ("packages/core", "packages/numpy", "tests")
SHOWN = ("grpcio", "protobuf", "gymnasium", "numpy")


@dataclass(frozen=True)
class Leg:
    """One set of requirements.

    Attributes:
        name: The part after "floor-" of the file's name, requirements/floor-<name>.txt.
        pythons: Versions that have wheels for the set; the first one found is used.
    """

    name: str
    pythons: tuple[str, ...]

    @property
    def requirements(self) -> Path:
        """The file of hash-pinned requirements."""
        return REPOSITORY / "requirements" / f"floor-{self.name}.txt"


# Together the legs run on every Python that the packages declare, if all are installed.
LEGS = (
    Leg("oldest", ("3.10", "3.11", "3.12")),
    Leg("protobuf5", ("3.11", "3.12", "3.10", "3.13")),
    Leg("protobuf6", ("3.12", "3.13", "3.11", "3.10")),
    Leg("newest", ("3.13", "3.12", "3.11", "3.10")),
)


def main(arguments: list[str] | None = None) -> int:
    """Run the named legs, or all; return 1 if one fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.floors", description=__doc__)
    names = [leg.name for leg in LEGS]
    parser.add_argument("legs", nargs="*", metavar="LEG", help=", ".join(names))
    parser.add_argument("--pytest", default="", help="further arguments of pytest, in one string")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.legs) - set(names))
    if unknown:
        parser.error(f"no such leg: {', '.join(unknown)}; expected {', '.join(names)}")
    failed: list[str] = []
    for leg in LEGS:
        if options.legs and leg.name not in options.legs:
            continue
        if not _run(leg, shlex.split(options.pytest)):
            failed.append(leg.name)
    if failed:
        print(f"floors: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(leg: Leg, more: Sequence[str]) -> bool:
    start = time.monotonic()
    program = next((p for p in map(find_python, leg.pythons) if p is not None), None)
    if program is None:
        print(f"== {leg.name}: found none of Python {', '.join(leg.pythons)}", file=sys.stderr)
        return False
    python = _environment(leg, program)
    print(f"== {leg.name}: {_described(python)}", flush=True)
    tests = [name for name in TESTS if (REPOSITORY / name).is_dir()]
    command = [str(python), "-m", "pytest", "-q", "-r", "fE", *more, *tests]
    passed = subprocess.run(command, check=False, cwd=REPOSITORY).returncode == 0
    print(f"== {leg.name}: {'ok' if passed else 'FAILED'}, {time.monotonic() - start:.0f} s")
    return passed


def _environment(leg: Leg, program: str) -> Path:
    """Return the leg's Python; rebuild its environment if anything it is made from has changed."""
    folder = FOLDER / leg.name
    stamp = folder / ".rlmesh-floor"
    parts = [leg.requirements, *(REPOSITORY / name / "pyproject.toml" for name in PROJECTS)]
    wanted = hashlib.sha256(program.encode() + b"".join(p.read_bytes() for p in parts)).hexdigest()
    if stamp.is_file() and stamp.read_text() == wanted:
        return folder / "bin" / "python"
    python = fresh_venv(program, folder)
    # Wheels only: if a leg would have to compile a library, it has the wrong Python.
    pip_install(python, ["--require-hashes", "--only-binary", ":all:", "-r", str(leg.requirements)])
    editable = [word for name in PROJECTS for word in ("-e", name)]
    pip_install(python, ["--no-deps", "--no-build-isolation", *editable])
    stamp.write_text(wanted)
    return python


def _described(python: Path) -> str:
    """Return the versions of Python and of the dependencies that the legs vary."""
    probe = (
        "import importlib.metadata as m, platform; "
        f"shown = [n + ' ' + m.version(n) for n in {SHOWN!r}]; "
        "print('Python', platform.python_version(), *shown)"
    )
    done = subprocess.run([python, "-c", probe], check=True, capture_output=True, text=True)
    return done.stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
