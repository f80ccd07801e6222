"""Processes of tests: started with a limit, ended by their pid."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path

__all__ = ["ROOT", "running", "served"]

ROOT = Path(__file__).resolve().parents[1]
TIMEOUT = 30.0


@contextmanager
def running(
    arguments: Sequence[str], pass_fds: Sequence[int] = ()
) -> Generator[subprocess.Popen[str], None, None]:
    """A Python process that lasts as long as the context."""
    process = subprocess.Popen(
        [sys.executable, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        pass_fds=pass_fds,
        cwd=ROOT,
    )
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()


@contextmanager
def served(env: str, *arguments: str) -> Generator[str, None, None]:
    """The address of a `serve_env` process that lasts as long as the context."""
    reader, writer = os.pipe()
    command = ["-m", "rlmesh._cli.serve_env", "--env", env, "--ready-fd", str(writer), *arguments]
    with running(command, [writer]) as process:
        os.close(writer)
        with os.fdopen(reader) as ready:
            address = ready.readline().strip()
        if not address:
            assert process.stderr is not None
            raise RuntimeError(process.stderr.read())
        yield address
