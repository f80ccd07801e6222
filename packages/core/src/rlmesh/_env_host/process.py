"""`WorkerProcess`: the process of the operating system that runs one environment."""

from __future__ import annotations

import contextlib
import functools
import math
import os
import signal
import socket
import subprocess
import sys
import time
import weakref
from collections.abc import Callable
from multiprocessing.connection import Connection
from typing import Any

from rlmesh._env_host.base import EnvHostConfig
from rlmesh._env_host.pickled_factory import PickledFactory
from rlmesh._env_host.process_group import ProcessGroup
from rlmesh._logs import logger
from rlmesh.backends import Buffer

__all__ = ["ClientGone", "ProcessEnded", "WorkerProcess"]

_log = logger("rlmesh.server")

_REAP_SECONDS = 5.0
"""Seconds to wait for the end of a process that was killed or has closed its connection."""

_LOOK_SECONDS = 0.25
"""Seconds between two checks of whether a client still waits for a process."""


class ClientGone(Exception):
    """The client that a process was started for has gone."""


class ProcessEnded(Exception):
    """The process has ended.

    Attributes:
        exit_code: Its exit code, or minus the number of the signal that ended it; None: unknown.
    """

    def __init__(self, exit_code: int | None) -> None:
        super().__init__(_how(exit_code))
        self.exit_code = exit_code


class WorkerProcess:
    """A new Python process that makes an environment and answers frames.

    It has a process group of its own, so that Ctrl-C is for the server alone, and it ends with the
    server, however that ends: the kernel signals it when `lifeline` breaks. Processes that it has
    started end with it, unless they have left its group.

    Args:
        factory: Makes the environment.
        config: How it is treated.

    Raises:
        TypeError: If `factory` cannot be sent to another process.
    """

    def __init__(self, factory: Callable[[], Any], config: EnvHostConfig) -> None:
        recipe = PickledFactory(factory, config).packed()
        with contextlib.ExitStack() as on_failure, contextlib.ExitStack() as theirs:
            frames, held = socket.socketpair(), socket.socketpair()
            for ours, other in (frames, held):
                on_failure.enter_context(ours)
                theirs.enter_context(other)
            # To end the connection by when the process ends: its children may hold the other end.
            end = on_failure.enter_context(frames[0].dup())
            descriptors = (frames[1].fileno(), held[1].fileno())
            process = subprocess.Popen(
                [sys.executable, "-m", "rlmesh._env_host.worker_main", *map(str, descriptors)],
                pass_fds=descriptors,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
            self._leader = ProcessGroup(process, functools.partial(_hang_up, end))
            on_failure.pop_all()
        self._lifeline = held[0]
        self._frames = Connection(frames[0].detach())
        _running.add(self)
        with contextlib.suppress(OSError):  # A process that has ended already shows at `ask`.
            self._frames.send_bytes(recipe)

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._leader.pid

    def ask(
        self,
        frame: Buffer | None,
        timeout: float | None,
        report: Callable[[bytes], object] | None = None,
    ) -> bytes:
        """Return the answer to a frame.

        Args:
            frame: The request; None: the process sends a message by itself.
            timeout: Seconds to wait; None: as long as it takes.
            report: Receives the frames of reports of progress, each of which an empty message
                announces; None: an empty message is the answer.

        Raises:
            ProcessEnded: If the process ends instead.
            TimeoutError: If it takes longer; the process has to be killed then.
        """
        try:
            if frame is not None:
                self._frames.send_bytes(frame)
            deadline = None if timeout is None else time.monotonic() + timeout
            while not (answer := self._receive(deadline)) and report is not None:
                report(self._receive(deadline))
            return answer
        except TimeoutError:
            raise
        except (EOFError, OSError):
            raise ProcessEnded(self._reap()) from None

    def _receive(self, deadline: float | None) -> bytes:
        left = None if deadline is None else max(deadline - time.monotonic(), 0.0)
        if left is not None and not self._frames.poll(left):
            raise TimeoutError
        return self._frames.recv_bytes()

    def hear(self, timeout: float | None, alive: Callable[[], bool]) -> bytes:
        """Receive a message that the process sends by itself; see `ask`.

        Args:
            timeout: Seconds to wait; None: as long as it takes.
            alive: Return whether a client still waits for it.

        Raises:
            ClientGone: If no client does; the process has to be killed then too.
        """
        deadline = math.inf if timeout is None else time.monotonic() + timeout
        while (left := deadline - time.monotonic()) > 0 and alive():
            if self._frames.poll(min(left, _LOOK_SECONDS)):
                break
        else:
            if left > 0:
                raise ClientGone
        return self.ask(None, 0)

    def close(self, timeout: float) -> bytes | None:
        """Close the environment and end the process; may be called again.

        Args:
            timeout: Seconds for both, after which the process is killed. That it had to be killed
                because of a thread of the environment is not a failure of closing.

        Returns:
            The frame of a failure, if closing has failed.

        Raises:
            ProcessEnded: If the process ends without an answer.
            TimeoutError: If closing takes longer; the process has been killed.
        """
        deadline = time.monotonic() + timeout
        try:
            answer = self.ask(b"", timeout)
            if not self._leader.wait(max(deadline - time.monotonic(), 0.1)):
                _log.warning(
                    "an environment is closed, but its process had not ended after %g s and was "
                    "killed; it may have a thread that is no daemon",
                    timeout,
                )
        finally:
            self.kill()
        return answer or None

    def interrupt(self) -> None:
        """End the process and its group; a call that waits for an answer raises ProcessEnded."""
        self._leader.kill()

    def kill(self) -> None:
        """End the process as `interrupt` does, and forget it; nothing may be asked of it then."""
        self.interrupt()
        self._leader.wait(_REAP_SECONDS)
        self._frames.close()
        self._lifeline.close()

    def _reap(self) -> int | None:
        self._leader.wait(_REAP_SECONDS)
        return self._leader.exit_code


_running: weakref.WeakSet[WorkerProcess] = weakref.WeakSet()


def _leave_to_the_parent() -> None:
    """Close the copies of the lifelines in a child that the server has forked.

    Else the workers would live as long as that child, however the server ends.
    """
    for worker in list(_running):
        worker._lifeline.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_the_parent)


def _hang_up(end: socket.socket) -> None:
    """Break a connection; bytes that have arrived can still be read."""
    with end, contextlib.suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)


def _how(exit_code: int | None) -> str:
    """Describe how a process has ended."""
    if exit_code is None:
        return "its process has closed its connection"
    if exit_code >= 0:
        return f"its process exited with code {exit_code}"
    try:
        name = f"{signal.Signals(-exit_code).name} ({-exit_code})"
    except ValueError:
        name = str(-exit_code)
    oom = "; the system may have run out of memory" if -exit_code == signal.SIGKILL else ""
    return f"its process was ended by signal {name}{oom}"
