"""`python -m tools.stages LANE...`: run lanes of make targets, and report what each stage took.

A lane is a list of targets, such as "lint types". The last lane has pytest: its output is shown as
it comes. The output of another stage is shown only if the stage fails, after the tests, so that no
stage writes into the output of another.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO

__all__ = ["Stage", "main", "run_lanes"]

SUMMARY = re.compile(rb"^(?:=+ )?(?:\d+ \w+, )*\d+ \w+ in [\d.]+s\b.*$", re.MULTILINE)
"""The line that ends the output of pytest."""


@dataclass(frozen=True)
class Stage:
    """A stage that has ended.

    Attributes:
        name: The make target.
        status: The exit status of make.
        seconds: The time that the stage took.
        cpu_seconds: The CPU time of its processes, in user and system mode.
        output: What the stage printed to stdout and stderr.
    """

    name: str
    status: int
    seconds: float
    cpu_seconds: float
    output: bytes

    def __str__(self) -> str:
        result = "ok" if self.status == 0 else "FAILED"
        return f"{self.name:<14} {result:<6} {self.seconds:5.0f} s {self.cpu_seconds:6.0f} CPU s"


def main(arguments: list[str] | None = None) -> int:
    """Run the lanes; 1 if a stage fails."""
    parser = argparse.ArgumentParser(prog="python -m tools.stages", description=__doc__)
    parser.add_argument("lanes", nargs="+", metavar="LANE", help="make targets, in their order")
    parser.add_argument("--make", default="make", help="the make program")
    options = parser.parse_args(arguments)
    begun = time.monotonic()
    stages = run_lanes([lane.split() for lane in options.lanes], options.make)
    failed = [stage for stage in stages if stage.status != 0]
    shown = options.lanes[-1].split()
    for stage in failed:
        if stage.name not in shown:
            _write(f"\n== {stage.name} failed with this output\n".encode() + stage.output)
    cpu = sum(stage.cpu_seconds for stage in stages)
    total = f"{'all':<21} {time.monotonic() - begun:5.0f} s {cpu:6.0f} CPU s"
    lines = ["", *map(str, stages), total]
    if failed:
        lines.append(f"failed: {' '.join(stage.name for stage in failed)}")
    _write("\n".join(lines).encode() + b"\n")
    # The machine that runs the tests reads their result from the last lines.
    for line in [x for stage in stages for x in SUMMARY.findall(stage.output)]:
        _write(line + b"\n")
    return 1 if failed else 0


def run_lanes(lanes: Sequence[Sequence[str]], make: str) -> list[Stage]:
    """Run the lanes beside each other and return their stages, in the order of the lanes."""
    interrupted = threading.Event()

    def work(lane: Sequence[str], shown: bool) -> list[Stage]:
        stages: list[Stage] = []
        for name in lane:
            if not interrupted.is_set():
                stages.append(_run(name, make, shown=shown))
                _write(f"\n== {stages[-1]}\n".encode())
        return stages

    with ThreadPoolExecutor(len(lanes)) as pool:
        running = [pool.submit(work, lane, lane is lanes[-1]) for lane in lanes]
        try:
            return [stage for future in running for stage in future.result()]
        except BaseException:
            interrupted.set()  # An interrupt has reached the programs too; no other one starts.
            raise


def _run(name: str, make: str, *, shown: bool) -> Stage:
    start = time.monotonic()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(
            [make, "--no-print-directory", name],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        assert process.stdout is not None
        _copy(process.stdout, output, shown=shown)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)  # Popen must not wait again.
        process.stdout.close()
        output.seek(0)
        cpu_seconds = usage.ru_utime + usage.ru_stime
        seconds = time.monotonic() - start
        return Stage(name, process.returncode, seconds, cpu_seconds, output.read())


def _copy(source: IO[bytes], output: IO[bytes], *, shown: bool) -> None:
    while piece := os.read(source.fileno(), 65_536):
        output.write(piece)
        if shown:
            _write(piece)


def _write(data: bytes) -> None:
    sys.stdout.buffer.write(data)
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
