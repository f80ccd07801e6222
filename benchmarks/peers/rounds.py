"""Rounds of fresh processes: in each, every case, and in each case, every side."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.peers.cases import Case
from benchmarks.peers.catalogue import Side
from benchmarks.peers.processes import Program, SideFailed, measured
from benchmarks.peers.venvs import BUILD, import_path
from tools.pythons import REPOSITORY

__all__ = ["Rounds"]

PATIENCE = 12.0
"""Seconds per case that a side may take over all rounds; it is left out of further rounds."""


class Rounds:
    """The state of a whole measurement.

    Args:
        cases: The tables.
        sides: The rows.
        seconds: Seconds that a side steps in a case and round.
        pythons: Python of each virtual environment, or the reason why there is none.

    Attributes:
        cells: Rounds by case and side, with the reason for missing ones.
        versions: Imported versions, by virtual environment.
    """

    def __init__(
        self,
        cases: Sequence[Case],
        sides: Sequence[Side],
        seconds: float,
        pythons: Mapping[str, Path | str],
    ) -> None:
        self._cases, self._seconds, self._pythons = cases, seconds, pythons
        shared = [side for side in sides if not side.alone]
        self._groups = [group for group in (shared, *([x] for x in sides if x.alone)) if group]
        self._number = 0
        self.versions: dict[str, dict[str, str]] = {}
        self.cells: dict[str, dict[str, dict[str, Any]]] = {
            case.name: {
                side.name: {"rounds": [], "reason": self._hindered(case, side)} for side in sides
            }
            for case in cases
        }

    def _hindered(self, case: Case, side: Side) -> str | None:
        python = self._pythons[side.venv]
        return python if isinstance(python, str) else side.missing(case)

    def play(self) -> None:
        """Play one more round."""
        for group in self._groups:
            with tempfile.TemporaryDirectory(prefix="peers-") as folder, ExitStack() as stack:
                programs = self._programs(group, folder, stack)
                for case in self._cases:
                    self._play_case(case, group, programs)
        self._number += 1

    def _programs(self, group: Sequence[Side], folder: str, stack: ExitStack) -> dict[str, Program]:
        """Start the programs of the sides that have anything to do; they import concurrently."""
        programs = {
            side.name: stack.enter_context(self._running(side, folder))
            for side in group
            if any(self._waits(case, side) for case in self._cases)
        }
        for side in group:
            if side.name not in programs:
                continue
            try:
                self.versions[side.venv] = programs[side.name].versions()
            except SideFailed as failed:
                for case in self._cases:
                    self._fail(case, side, failed)
        return programs

    @contextmanager
    def _running(self, side: Side, folder: str) -> Generator[Program, None, None]:
        environment = {
            **os.environ,
            "PYTHONPATH": import_path(side.venv),
            "TMPDIR": folder,  # Files that a program leaves there are removed with the round.
            "OPENBLAS_NUM_THREADS": "1",  # No thread is needed, and threads do not survive a fork.
        }
        module = f"benchmarks.peers.sides.{side.module}"
        command = [self._pythons[side.venv], "-m", module]
        program = Program(command, environment, BUILD / "logs" / f"{side.name}.txt")
        try:
            yield program
        finally:
            program.end()

    def _play_case(
        self, case: Case, group: Sequence[Side], programs: Mapping[str, Program]
    ) -> None:
        turn = self._number % len(group)
        for side in (*group[turn:], *group[:turn]):  # A different side is first in each round.
            # A program that had to be killed starts again in the next round.
            if not self._waits(case, side) or not programs[side.name].alive:
                continue
            begun = time.monotonic()
            try:
                timing = measured(programs[side.name], side, case, self._seconds)
            except SideFailed as failed:
                self._fail(case, side, failed)
                continue
            wall = time.monotonic() - begun
            cell = self.cells[case.name][side.name]
            cell["rounds"].append({"round": self._number, "wall": wall, **timing})
            self._say(case, side, f"{timing['median']:12.1f} us, in {wall:.1f} s")

    def _waits(self, case: Case, side: Side) -> bool:
        """Return whether a side is measured again: it can, did not fail, and is fast enough."""
        cell = self.cells[case.name][side.name]
        if cell["reason"] is not None:
            return False
        walls = [each["wall"] for each in cell["rounds"]]
        if walls and sum(walls) + max(walls) > PATIENCE:
            cell["reason"] = f"One takes {max(walls):.0f} s."
        return cell["reason"] is None

    def _fail(self, case: Case, side: Side, failed: SideFailed) -> None:
        cell = self.cells[case.name][side.name]
        message = str(failed).replace(f"{REPOSITORY}/", "").rstrip(".")
        cell["reason"] = cell["reason"] or f"It failed: {message}."
        self._say(case, side, f"failed: {failed}")

    def _say(self, case: Case, side: Side, what: str) -> None:
        print(f"{self._number + 1} {case.name:<15}{side.name:<19}{what}", flush=True)
