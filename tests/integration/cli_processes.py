"""The command `rlmesh` in a process of its own, for tests.

Processes of the command are forked. In `make test-long` those of `test_cli_page.py` start afresh.
"""

from __future__ import annotations

import json
import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from tests.processes import ROOT, STARTED, Running, finished, running

__all__ = [
    "COMMAND",
    "COUNTER",
    "LOUD",
    "PICTURE",
    "in_a_terminal",
    "read_until",
    "serving",
    "told",
]

COMMAND = ["-m", "rlmesh._cli"]
LOUD = "tests.integration.cli_subjects:LoudEnv"
PICTURE = "tests.integration.cli_subjects:PictureEnv"
COUNTER = "tests.integration.envs:CounterEnv"


@contextmanager
def serving(*arguments: str, **variables: str) -> Generator[tuple[str, Running], None, None]:
    """Address and process of `rlmesh serve`."""
    with running([*COMMAND, "serve", *arguments], **variables) as server:
        yield server.wait_for(r"serving \S+ on (\S+)\n").group(1), server


def told(*arguments: str, **variables: str) -> Any:
    """The document of a command that succeeds."""
    done = finished([*COMMAND, *arguments, "--json"], **variables)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@contextmanager
def in_a_terminal(*arguments: str) -> Generator[tuple[subprocess.Popen[bytes], int], None, None]:
    """A command on a terminal, with the terminal's descriptor."""
    pty = pytest.importorskip("pty")
    ours, theirs = pty.openpty()
    variables = {**os.environ, "COLUMNS": "80", "LINES": "30", "TERM": "xterm-256color"}
    process = subprocess.Popen(
        [sys.executable, *COMMAND, *arguments],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        cwd=ROOT,
        env=variables,
        start_new_session=True,
    )
    os.close(theirs)
    try:
        yield process, ours
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
        os.close(ours)


def read_until(descriptor: int, pattern: str | None, timeout: float = STARTED) -> str:
    """What comes until the pattern is in it, or, for None, until the other end is closed."""
    text, deadline = "", time.monotonic() + timeout
    while time.monotonic() < deadline:
        if not select.select([descriptor], [], [], 0.1)[0]:
            continue
        try:
            part = os.read(descriptor, 65_536).decode(errors="replace")
        except OSError:  # On Linux, the other end is closed.
            part = ""
        text += part
        if not part or (pattern is not None and re.search(pattern, text)):
            return text
    raise AssertionError(f"no {pattern!r} within {timeout:g} s in {text[-2000:]!r}")
