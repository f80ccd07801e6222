"""The programs of the sides: started, sent requests with a time limit, and ended by their ids."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any

from benchmarks.peers.cases import Case
from benchmarks.peers.catalogue import Side

__all__ = ["Program", "SideFailed", "measured"]

STARTED = 60.0
"""Largest time in seconds for a program to import its libraries."""

SERVED = 30.0
"""Largest time in seconds for a server to report its address."""

MEASURED = 20.0
"""Largest time in seconds for a client to connect, compare observations and be timed."""

ENDED = 5.0
"""Largest time in seconds for a process to end by itself."""


class SideFailed(Exception):
    """A side has no number; the message has the reason."""


class Child:
    """A process that a program forked, held by a pidfd because ids are reused.

    Attributes:
        grace: Seconds that the process has to end by itself.
    """

    def __init__(self, pid: int) -> None:
        self.grace = 0.0
        try:
            self._handle: int | None = os.pidfd_open(pid)
        except ProcessLookupError:
            self._handle = None

    def end(self) -> None:
        """Wait until the process ends, then terminate it, then kill it."""
        if self._handle is None:
            return
        for number, seconds in (
            (None, self.grace),
            (signal.SIGTERM, ENDED),
            (signal.SIGKILL, ENDED),
        ):
            if number is not None:
                with contextlib.suppress(ProcessLookupError):
                    signal.pidfd_send_signal(self._handle, number)
            if select.select([self._handle], [], [], seconds)[0]:
                break
        os.close(self._handle)
        self._handle = None


class Program:
    """One side's program and the processes that it has forked.

    Args:
        command: Command that starts the program.
        environment: Variables of the program.
        log: File for its stderr.
    """

    def __init__(
        self, command: Sequence[str | Path], environment: Mapping[str, str], log: Path
    ) -> None:
        self._log: IO[bytes] = log.open("ab")
        self._process = subprocess.Popen(
            [str(word) for word in command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            env=dict(environment),
            start_new_session=True,
        )
        self._handle = os.pidfd_open(self._process.pid)
        self._reaped = False
        self._came = b""
        self._last = 0
        self._children: list[Child] = []

    @property
    def alive(self) -> bool:
        """Whether the program can answer requests."""
        return not self._reaped and not select.select([self._handle], [], [], 0)[0]

    def versions(self) -> dict[str, str]:
        """Return the imported versions by distribution, after the imports have ended."""
        answer = self._answer(0, STARTED)
        found: dict[str, str] = answer["versions"]
        return found

    def ask(self, request: Mapping[str, Any], limit: float) -> tuple[int, dict[str, Any]]:
        """Send a request; return the id of the process that answers, and its answer.

        Raises:
            SideFailed: If the program failed, or did not answer in time.
        """
        self._last += 1
        line = json.dumps({"id": self._last, **request}) + "\n"
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError:
            raise SideFailed("its program has ended") from None
        pid = int(self._answer(self._last, SERVED)["pid"])
        child = None if pid == self._process.pid else Child(pid)
        if child is not None:
            self._children.append(child)
        try:
            answer = self._answer(self._last, limit)
        except SideFailed:
            if child is None:
                self.kill()  # The program itself is busy, and no child can be ended instead.
            raise
        if "error" in answer:
            raise SideFailed(answer["error"])
        if child is not None and "timing" in answer:
            child.grace = ENDED  # The child closes its resources.
        return pid, answer

    def _answer(self, number: int, limit: float) -> dict[str, Any]:
        deadline = time.monotonic() + limit
        while True:
            line = self._line(deadline)
            if line is None:
                raise SideFailed(f"no answer came within {limit:g} s")
            answer: dict[str, Any] = json.loads(line)
            if answer["id"] == number:  # Others are late answers of earlier requests.
                return answer

    def _line(self, deadline: float) -> bytes | None:
        """Return the next line of output, or None if none comes before the deadline."""
        assert self._process.stdout is not None
        output = self._process.stdout.fileno()
        while b"\n" not in self._came:
            left = max(0.0, deadline - time.monotonic())
            if not select.select([output], [], [], left)[0]:
                return None
            read = os.read(output, 1 << 16)
            if not read:
                raise SideFailed("its program has ended")
            self._came += read
        line, _, self._came = self._came.partition(b"\n")
        return line

    def end_children(self) -> None:
        """End the forked processes, the last one first, because that is the client."""
        while self._children:
            self._children.pop().end()

    def kill(self) -> None:
        """Kill the program and all that it has started: Ray's agents outlive their driver."""
        if not self._reaped:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)

    def end(self) -> None:
        """End the program and all that it has started."""
        if self._reaped:
            return
        self.end_children()
        assert self._process.stdin is not None and self._process.stdout is not None
        with contextlib.suppress(OSError):
            self._process.stdin.close()
        select.select([self._handle], [], [], 2 * ENDED)
        self.kill()  # Before the wait, after which the id may be reused.
        self._process.wait()
        self._reaped = True
        os.close(self._handle)
        self._process.stdout.close()
        self._log.close()


def measured(program: Program, side: Side, case: Case, seconds: float) -> dict[str, Any]:
    """Return a `measure.Timing` as JSON, from fresh servers and a fresh client.

    Raises:
        SideFailed: If the side cannot be measured now.
    """
    count = case.count if case.kind == "endpoints" else 1
    told = {"case": case.name, "option": side.option}
    addresses, pids = [""] * count, []
    try:
        for index in range(count if side.serves else 0):
            pid, answer = program.ask({"do": "serve", **told}, SERVED)
            pids.append(pid)
            addresses[index] = answer["address"]
        asked = {"do": "measure", "addresses": addresses, "pids": pids, "seconds": seconds}
        _, answer = program.ask({**asked, **told}, MEASURED)
    finally:
        program.end_children()
    timing: dict[str, Any] = answer["timing"]
    return timing
