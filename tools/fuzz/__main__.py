"""`python3 -m tools.fuzz`: fuzz the targets of tests/fuzz; 1 if a target found a fault."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from pathlib import Path

from ..pythons import REPOSITORY, find_python, fresh_venv, made_once, pip_install

__all__ = ["main"]

VENV = REPOSITORY / "build" / "fuzz-venv"
REQUIREMENTS = REPOSITORY / "requirements" / "fuzz.txt"
WORK = REPOSITORY / "build" / "fuzz"
FINDINGS = WORK / "findings"

# In the order of preference; the fuzzer has wheels for these.
PYTHONS = ("3.11", "3.12", "3.13")
SOURCES = ("gen/python/src", "packages/core/src", "packages/numpy/src")
TARGETS = (
    "spaces",
    "values",
    "dynamic",
    "contracts",
    "sessions",
    "clients",
    "model_sessions",
    "model_clients",
)

OPTIONS = (
    "-timeout=10",
    "-rss_limit_mb=2048",
    "-max_len=8192",
    "-verbosity=0",
    "-print_final_stats=1",
)


def main(arguments: list[str] | None = None) -> int:
    """Fuzz the named targets, or all, for an equal share of the time each."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.fuzz", description=__doc__)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=", ".join(TARGETS))
    parser.add_argument("--seconds", type=int, default=60, help="for all of them (default: 60)")
    options = parser.parse_args(arguments)
    unknown = sorted(set(options.targets) - set(TARGETS))
    if unknown:
        parser.error(f"no such target: {', '.join(unknown)}; expected {', '.join(TARGETS)}")
    python = _environment()
    targets = options.targets or TARGETS
    FINDINGS.mkdir(parents=True, exist_ok=True)
    broken = [t for t in targets if not _fuzz(python, t, max(options.seconds // len(targets), 1))]
    for name in broken:
        print(f"fuzz: {name} broke a promise; see {FINDINGS}/{name}-*", file=sys.stderr)
    if broken:
        print("fuzz: see CONTRIBUTING.md for how to keep and mend it", file=sys.stderr)
    return 1 if broken else 0


def _environment() -> Path:
    """Return the fuzzer's Python; rebuild its environment if the requirements have changed."""
    program = next((p for p in map(find_python, PYTHONS) if p is not None), None)
    if program is None:
        sys.exit(
            f"fuzz: found none of Python {', '.join(PYTHONS)}, which the fuzzer has wheels for"
        )
    wanted = hashlib.sha256(program.encode() + REQUIREMENTS.read_bytes()).hexdigest()
    with made_once(VENV, wanted) as needed:
        if needed:
            python = fresh_venv(program, VENV)
            pip_install(
                python, ["--require-hashes", "--only-binary", ":all:", "-r", str(REQUIREMENTS)]
            )
    return VENV / "bin" / "python"


def _fuzz(python: Path, target: str, seconds: int) -> bool:
    """Fuzz a target for some seconds; return whether it found no fault."""
    found, seeds = WORK / target, WORK / f"{target}-seeds"
    found.mkdir(exist_ok=True)
    print(f"== {target}: {seconds} s", flush=True)
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(str(REPOSITORY / source) for source in SOURCES),
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    command = [python, "-m", "tests.fuzz", target, found, seeds, *OPTIONS]
    command += [f"-max_total_time={seconds}", f"-artifact_prefix={FINDINGS}/{target}-"]
    run = ["nice", "-n", "10", *map(str, command)]
    return subprocess.run(run, check=False, cwd=REPOSITORY, env=environment).returncode == 0


if __name__ == "__main__":
    sys.exit(main())
