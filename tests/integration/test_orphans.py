"""A worker process without its server ends with all that its environment has started.

The kernel closes the connections of a process that is killed one after another, and may run others
in between: here the test is the server, and closes one of them alone.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Generator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import pytest

from rlmesh._env_host.base import EnvHostConfig
from rlmesh._env_host.pickled_factory import PickledFactory
from rlmesh._env_host.worker_main import MADE
from tests.integration.envs import MischiefEnv, ParentEnv
from tests.processes import ENDED, STARTED, until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")


@pytest.fixture(autouse=True)
def transport() -> None:
    """No session is opened."""


@contextlib.contextmanager
def worker(
    factory: Callable[[], Any], *, broken: bool = False
) -> Generator[tuple[subprocess.Popen[bytes], Connection, socket.socket], None, None]:
    """A worker process, the connection to it, and its lifeline, which may be broken already."""
    (ours, frames), (lifeline, held) = socket.socketpair(), socket.socketpair()
    with ours, frames, lifeline, held:
        if broken:
            lifeline.close()
        descriptors = (frames.fileno(), held.fileno())
        process = subprocess.Popen(
            [sys.executable, "-m", "rlmesh._env_host.worker_main", *map(str, descriptors)],
            pass_fds=descriptors,
            stdin=subprocess.DEVNULL,
            start_new_session=True,
        )
        try:
            frames.close()
            held.close()
            connection = Connection(ours.detach())
            with connection:
                connection.send_bytes(PickledFactory(factory, EnvHostConfig()).packed())
                yield process, connection, lifeline
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait(ENDED)


def members(group: int) -> list[int]:
    """The processes of a group that run."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            facts = (folder / "stat").read_text().rpartition(")")[2].split()
            if int(facts[2]) == group and facts[0] not in "ZX":
                found.append(int(folder.name))
    return found


def is_made(connection: Connection) -> None:
    """Wait until the environment is there."""
    assert connection.poll(STARTED) and connection.recv_bytes() == b""
    assert connection.poll(STARTED) and connection.recv_bytes().startswith(MADE)


@pytest.mark.parametrize("kind", ["fork", "program"])
@pytest.mark.parametrize("first", ["frames", "lifeline"])
def test_whichever_connection_ends_first(kind: str, first: str) -> None:
    """A worker that read the end of its frames was gone before its lifeline ended its children."""
    with worker(functools.partial(ParentEnv, kind)) as (process, connection, lifeline):
        is_made(connection)
        assert len(members(process.pid)) == 2
        (connection if first == "frames" else lifeline).close()
        process.wait(ENDED)
        until(lambda: not members(process.pid), 10)


def test_a_server_that_is_gone_before_it_is_watched() -> None:
    """The kernel reports nothing for a lifeline that broke before."""
    with worker(MischiefEnv, broken=True) as (process, _, _):
        process.wait(STARTED)
