"""Processes of tests: started with a limit, ended by their id."""

from __future__ import annotations

import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from tests import fork_server
from tests.fork_server import ForkedProcess

__all__ = ["ROOT", "Running", "announced", "finished", "running", "served", "stop_process", "until"]

ROOT = Path(__file__).resolve().parents[1]

T = TypeVar("T")

STARTED = 60.0
"""Seconds that a process may take to become ready; imports are slow on a busy machine."""

ENDED = 20.0
"""Seconds that a process may take to end once it is asked to."""


class Running:
    """A process that is running, or was.

    Its output goes to files, because a pipe that is not read would stop it.
    """

    def __init__(self, process: subprocess.Popen[bytes] | ForkedProcess, folder: Path) -> None:
        self.process = process
        self._folder = folder

    @property
    def output(self) -> str:
        """What it has printed so far."""
        return (self._folder / "stdout").read_text()

    @property
    def errors(self) -> str:
        """What it has printed to stderr so far."""
        return (self._folder / "stderr").read_text()

    def wait_for(self, pattern: str, timeout: float = STARTED) -> re.Match[str]:
        """The first match of `pattern` in its output."""

        def found() -> re.Match[str] | None:
            ended = self.process.poll() is not None  # Before the look, lest the last line be lost.
            match = re.search(pattern, self.output)
            if match is None and ended:
                raise AssertionError(f"it ended without {pattern!r}: {self}")
            return match

        return until(found, timeout, self)

    def stop(self, number: int = signal.SIGTERM, timeout: float = ENDED) -> int:
        """Its exit status, once it has ended of itself or by the signal; killed as a last resort."""  # noqa: E501
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(timeout)
        except subprocess.TimeoutExpired:
            self.abort()
            raise AssertionError(f"it did not end within {timeout:g} s: {self}") from None

    def abort(self) -> None:
        """End it by SIGABRT, which makes Python print all threads' tracebacks, else by SIGKILL."""
        self.process.send_signal(signal.SIGABRT)
        try:
            self.process.wait(ENDED)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    def __str__(self) -> str:
        status = self.process.poll()
        return f"{self.process.args}, status {status}, {self.output!r}, {self.errors!r}"


def until(condition: Callable[[], T | None], timeout: float, subject: object = "") -> T:
    """What `condition` returns, once that is true."""
    deadline = time.monotonic() + timeout
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise AssertionError(f"it did not come within {timeout:g} s: {subject}")
        time.sleep(0.02)
    return value


def stop_process(pid: int) -> None:
    """Stop a process by SIGSTOP, and wait until none of its threads runs."""
    os.kill(pid, signal.SIGSTOP)

    def is_stopped() -> bool:
        states = [
            (task / "stat").read_text().rpartition(")")[2].split()[0]
            for task in Path(f"/proc/{pid}/task").iterdir()
        ]
        return all(state == "T" for state in states)

    until(is_stopped, ENDED, f"the stop of process {pid}")


@contextmanager
def running(
    arguments: Sequence[str],
    *,
    program: str = sys.executable,
    pass_fds: Sequence[int] = (),
    fresh: bool = False,
    **variables: str,
) -> Generator[Running, None, None]:
    """Yield a process, of Python by default, that lasts as long as the context.

    Args:
        arguments: The arguments of the program.
        program: The program.
        pass_fds: Descriptors that the process inherits.
        fresh: Whether Python starts anew, and is not forked; see `tests.fork_server`.
        variables: Variables to add to those of this process.
    """
    environment = _environment(variables)
    forked = program == sys.executable and not fresh
    forked = forked and fork_server.can_fork(arguments, environment)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / "stdout").open("wb") as stdout, (folder / "stderr").open("wb") as stderr:
            started: subprocess.Popen[bytes] | ForkedProcess
            if forked:
                started = fork_server.start(arguments, environment, (stdout, stderr), pass_fds)
            else:
                started = subprocess.Popen(
                    [program, *arguments],
                    stdin=subprocess.DEVNULL,
                    stdout=stdout,
                    stderr=stderr,
                    pass_fds=pass_fds,
                    cwd=ROOT,
                    env=environment,
                )
        process = Running(started, folder)
        try:
            yield process
        finally:
            process.stop()


@contextmanager
def served(env: str, *arguments: str, **variables: str) -> Generator[str, None, None]:
    """The address of a `serve_env` process that lasts as long as the context."""
    reader, writer = os.pipe()
    with os.fdopen(reader) as ready, os.fdopen(writer, "w") as ours:
        command = ["-m", "rlmesh._cli.serve_env", "--env", env, "--ready-fd", str(writer)]
        with running([*command, *arguments], pass_fds=[writer], **variables) as server:
            ours.close()  # So that the pipe ends when the server does.
            came, _, _ = select.select([ready], [], [], STARTED)
            address = ready.readline().strip() if came else ""
            if not address:
                raise AssertionError(f"no address came: {server}")
            yield address


@contextmanager
def announced(command: Sequence[str]) -> Generator[str, None, None]:
    """The first line that a server prints, its address; it ends with the context, with status 0."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().strip()
        finally:
            process.terminate()
            assert process.wait(ENDED) == 0


def finished(
    arguments: Sequence[str],
    *,
    program: str = sys.executable,
    timeout: float = STARTED,
    fresh: bool = False,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Return a process, of Python by default, that has run to its end; see `running`."""
    with running(arguments, program=program, fresh=fresh, **variables) as process:
        try:
            status = process.process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.abort()
            raise AssertionError(f"it did not end within {timeout:g} s: {process}") from None
        return subprocess.CompletedProcess(
            process.process.args, status, process.output, process.errors
        )


def _environment(variables: dict[str, str]) -> dict[str, str]:
    """That of this process, with lines that come as they are printed, and traces when aborted."""
    own = {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", "COLUMNS": "120"}
    return {**os.environ, **own, **variables}
