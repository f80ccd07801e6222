"""`python -m tools.smoke`: build every distribution and try each in empty environments."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from ..pythons import REPOSITORY, SUPPORTED, find_python, fresh_venv, pip_install
from .build import Built, build_all

__all__ = ["main"]

FOLDER = REPOSITORY / "build" / "smoke"
PLAYS = Path(__file__).parent
# Our distributions that a wheel may depend on, in the order of their dependence.
CORE = ("rlmesh-proto", "rlmesh-core")
NUMPY = ("rlmesh-numpy",)

Trial = Callable[[str, dict[str, Built]], None]


def main(arguments: list[str] | None = None) -> int:
    """Build and try all; return 1 if something fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.smoke", description=__doc__)
    parser.add_argument("--python", action="append", choices=SUPPORTED, help="one version alone")
    parser.add_argument("--no-backends", action="store_true", help="without torch and jax")
    options = parser.parse_args(arguments)
    start = time.monotonic()
    built = build_all(FOLDER / "dist")
    for each in built.values():
        print(f"{each.wheel.name}  {each.sdist.name}")
    print(f"built in {time.monotonic() - start:.0f} s", flush=True)
    passed = {version: _on_python(version, built) for version in options.python or SUPPORTED}
    passed["sdists"] = _attempt("sdists", _sdists, sys.executable, built)
    for name in () if options.no_backends else ("torch", "jax"):
        passed[name] = _attempt(f"rlmesh-{name}", _backend, name, built)
    failed = [name for name, ok in passed.items() if not ok]
    if failed:
        print(f"smoke: failed: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _on_python(version: str, built: dict[str, Built]) -> bool:
    """Try the wheels on one Python; report and skip a Python that this machine lacks."""
    program = find_python(version)
    if program is None:
        print(f"Python {version}: NOT TRIED, it is not on this machine", file=sys.stderr)
        return True
    return _attempt(f"Python {version}, wheels", _wheels, program, built)


def _attempt(title: str, trial: Trial, what: str, built: dict[str, Built]) -> bool:
    start = time.monotonic()
    try:
        trial(what, built)
    except subprocess.CalledProcessError as error:
        print(f"{title}: FAILED: {error}", file=sys.stderr)
        return False
    print(f"{title}: ok, {time.monotonic() - start:.0f} s", flush=True)
    return True


def _wheels(program: str, built: dict[str, Built]) -> None:
    """Try core alone, then NumPy beside it."""
    python = fresh_venv(program, FOLDER / "venv")
    pip_install(python, _files(built, CORE))
    _play(python, "core")
    pip_install(python, _files(built, NUMPY))
    _play(python, "numpy")


def _sdists(program: str, built: dict[str, Built]) -> None:
    """Try the same from source: pip builds the wheels in its own isolation."""
    python = fresh_venv(program, FOLDER / "venv")
    pip_install(python, [built[name].sdist for name in CORE])
    _play(python, "core")
    pip_install(python, [built[name].sdist for name in NUMPY])
    _play(python, "numpy")


def _backend(name: str, built: dict[str, Built]) -> None:
    """Try rlmesh-torch or rlmesh-jax; torch from pip's configured index, jax as pinned."""
    python = fresh_venv(sys.executable, FOLDER / "venv")
    pins = ["-r", "requirements/torch.txt"] if name == "torch" else []
    pip_install(python, [*pins, *_files(built, (*CORE, *NUMPY, f"rlmesh-{name}"))])
    _play(python, name)


def _files(built: dict[str, Built], names: Sequence[str]) -> list[Path]:
    return [built[name].wheel for name in names]


def _play(python: Path, name: str) -> None:
    # -I: only installed packages are on the path, nothing of this checkout.
    subprocess.run([python, "-I", PLAYS / f"play_{name}.py"], check=True, cwd=FOLDER, timeout=120)


if __name__ == "__main__":
    sys.exit(main())
