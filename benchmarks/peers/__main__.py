"""`python -m benchmarks.peers`: this project beside its peers, and beside the floors."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.peers.cases import CASES
from benchmarks.peers.catalogue import SIDES
from benchmarks.peers.report import replaced, tables
from benchmarks.peers.rounds import Rounds
from benchmarks.peers.venvs import BUILD, PLOT, import_path, made
from tools.pythons import REPOSITORY

PLOTTED = 60.0
"""Largest duration of drawing the plot, in seconds."""

LARGEST_PLOT = 100_000
"""Largest size of a plot that may be committed, in bytes."""

TITLE = "# Beside its peers\n"

T = TypeVar("T")


def main(arguments: list[str] | None = None) -> int:
    """Measure, print and write."""
    options = _parser().parse_args(arguments)
    cases, sides = _selected(options.cases, CASES), _selected(options.peers, SIDES)
    pythons = made([*(side.venv for side in sides), PLOT])
    (BUILD / "logs").mkdir(parents=True, exist_ok=True)
    results: dict[str, Any] = {
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        "machine": _machine(),
        "seconds": options.seconds,
    }
    rounds = Rounds(cases, sides, options.seconds, pythons)
    played = _played(rounds, options.rounds, options.minutes * 60)
    results |= {"rounds": played, "versions": rounds.versions, "cells": rounds.cells}
    # A partial run is no result of the whole, so that it is kept apart.
    whole = not options.cases and not options.peers
    _write(results, REPOSITORY / "benchmarks" if whole else BUILD, pythons[PLOT])
    return 0


def _played(rounds: Rounds, most: int, limit: float) -> int:
    """Play rounds, at least one and as many as end within the seconds; return their number."""
    begun = time.monotonic()
    for number in range(1, most + 1):
        rounds.play()
        spent = time.monotonic() - begun
        print(f"{number} of {most} rounds in {spent:.0f} s", flush=True)
        if spent * (number + 1) / number > limit:
            return number
    return most


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of fresh processes (%(default)s)")
    parser.add_argument(
        "--seconds", type=float, default=0.25, help="of steps a side and case (%(default)s)"
    )
    parser.add_argument(
        "--minutes", type=float, default=11, help="no round that would end later (%(default)s)"
    )
    parser.add_argument("--cases", type=_names(CASES), default=[], help=", ".join(CASES))
    parser.add_argument("--peers", type=_names(SIDES), default=[], help=", ".join(SIDES))
    return parser


def _names(known: Mapping[str, object]) -> Any:
    def split(text: str) -> list[str]:
        names = text.split(",")
        unknown = sorted(set(names) - set(known))
        if unknown:
            raise argparse.ArgumentTypeError(
                f"expected some of {', '.join(known)}, came {', '.join(unknown)}"
            )
        return names

    return split


def _selected(names: list[str], known: Mapping[str, T]) -> list[T]:
    return [value for name, value in known.items() if not names or name in names]


def _machine() -> dict[str, Any]:
    """Return the facts about the machine that the numbers depend on, without its name."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cores": len(os.sched_getaffinity(0)),
        "cpu": models[0] if models else platform.machine(),
        "memory_gib": round(memory / (1 << 30)),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": os.getloadavg()[0],
    }


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty", "--abbrev=10"]
    done = subprocess.run(
        command, capture_output=True, text=True, cwd=REPOSITORY, timeout=30, check=False
    )
    return done.stdout.strip() or "unknown"


def _write(results: dict[str, Any], folder: Path, python: Path | str) -> None:
    """Write results.json under build/, and RESULTS.md and the plot into the folder."""
    source = BUILD / "results.json"
    source.write_text(json.dumps(results, indent=1) + "\n")
    page, plot = folder / "RESULTS.md", folder / "results.svg"
    missing = python if isinstance(python, str) else _draw(python, source, plot)
    document = page.read_text() if page.is_file() else TITLE
    drawn = None if missing else plot.name
    page.write_text(replaced(document, tables(results, drawn)))
    print(f"wrote {source.relative_to(REPOSITORY)}, {page.relative_to(REPOSITORY)}")
    print(f"no plot: {missing}" if missing else f"wrote {plot.relative_to(REPOSITORY)}")


def _draw(python: Path, source: Path, plot: Path) -> str:
    """Draw the plot; return the reason if it cannot be drawn."""
    command = [str(python), "-m", "benchmarks.peers.plot", str(source), str(plot)]
    environment = {**os.environ, "PYTHONPATH": import_path(PLOT), "MPLCONFIGDIR": str(BUILD)}
    try:
        subprocess.run(command, check=True, env=environment, timeout=PLOTTED)
    except (OSError, subprocess.SubprocessError) as error:
        return str(error)
    size = plot.stat().st_size
    if size > LARGEST_PLOT:
        plot.replace(BUILD / "results-large.svg")
        return f"it has {size} bytes, of {LARGEST_PLOT}: see build/peers/results-large.svg"
    return ""


if __name__ == "__main__":
    sys.exit(main())
