"""`ProcessGroup`: a process that leads a group, which ends when it does."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
from collections.abc import Callable

__all__ = ["ProcessGroup"]


class ProcessGroup:
    """A process that leads a group of its own; a thread waits for its end.

    A connection with it does not show that: a child that it has forked holds the same end.

    Args:
        process: The process.
        at_end: Called once it has ended and so have those of its group, on a thread of its own.
    """

    def __init__(self, process: subprocess.Popen[bytes], at_end: Callable[[], object]) -> None:
        self._process = process
        self._at_end = at_end
        self._lock = threading.Lock()
        self._reaped = False
        self._ended = threading.Event()
        # A daemon: the end of the server is also the end of its processes, and not waited for.
        watch = threading.Thread(target=self._watch, name="rlmesh-watch", daemon=True)
        try:
            watch.start()
        except RuntimeError:  # There may be no more threads.
            self._end_group()
            process.wait()
            raise

    @property
    def pid(self) -> int:
        """Number of the process."""
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """Its exit code, or minus the number of the signal that ended it; None: it runs."""
        return self._process.returncode

    def kill(self) -> None:
        """End it, and those of its group; does not wait for that."""
        with self._lock:
            if not self._reaped:
                self._end_group()

    def wait(self, timeout: float) -> bool:
        """Return whether it has ended within some seconds, and `at_end` been called."""
        return self._ended.wait(timeout)

    def _watch(self) -> None:
        if hasattr(os, "waitid"):
            # Its number, which is that of the group, is not given to others until it is reaped.
            with contextlib.suppress(ChildProcessError):  # The server may ignore SIGCHLD.
                os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()
        with self._lock:
            self._end_group()
            self._process.wait()
            self._reaped = True
        self._at_end()
        self._ended.set()

    def _end_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
