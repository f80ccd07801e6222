"""SIGINT and SIGTERM while a server has the main thread."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from rlmesh._logs import logger

__all__ = ["ECHO_SECONDS", "stop_on_signals"]

ECHO_SECONDS = 0.5
"""Seconds in which a second signal is an echo: `timeout` signals a process, then its group."""

_FLUSH_SECONDS = 1.0
"""Seconds to write buffered output before the process ends without its main thread."""

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_log = logger("rlmesh.server")


class _Watch:
    """Calls `stop` on a thread of its own as soon as one of the signals has come.

    Python runs a handler in the main thread and only between two of its instructions. There, a
    stream may be waiting in C for the next frame, and the kernel may give the signal to a thread of
    gRPC's, which wakes no thread of Python. The wakeup descriptor needs no main thread.
    """

    def __init__(self, stop: Callable[[], None], limit: float) -> None:
        self._stop = stop
        self._limit = limit
        self._timer: threading.Timer | None = None
        self._reader, self._writer = socket.socketpair()
        self._writer.setblocking(False)
        self._thread = threading.Thread(target=self._read, name="rlmesh-signals", daemon=True)
        self._previous: dict[int, Any] = {}
        self._first: float | None = None

    def begin(self) -> None:
        """Watch from now on."""
        for number in _SIGNALS:
            self._previous[number] = signal.signal(number, self._handle)
        self._descriptor = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._thread.start()

    def end(self) -> None:
        """Leave the signals as they were before."""
        self.forget()
        if self._timer is not None:
            self._timer.cancel()
        self._writer.shutdown(socket.SHUT_WR)  # Forked children may have it too.
        self._writer.close()
        self._thread.join()
        self._reader.close()

    def forget(self) -> None:
        """Restore handlers and descriptor; in a forked child, nothing else is ours."""
        signal.set_wakeup_fd(self._descriptor)
        for number in list(self._previous):
            self._restore(number)

    def _handle(self, number: int, frame: FrameType | None) -> None:
        """Handle a signal: a second one has the effect that it had before."""
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first >= ECHO_SECONDS:
            self._restore(number)
            signal.raise_signal(number)

    def _restore(self, number: int) -> None:
        handler = self._previous.pop(number, None)
        if handler is not None:
            signal.signal(number, handler)

    def _read(self) -> None:
        while numbers := self._reader.recv(64):
            for number in set(numbers).intersection(_SIGNALS):
                if self._timer is None:
                    self._timer = threading.Timer(self._limit, self._give_up, [number])
                    self._timer.daemon = True
                    self._timer.start()
                self._stop()

    def _give_up(self, number: int) -> None:
        """End the process: its main thread is in a call that does not return."""
        name = signal.Signals(number).name
        _log.critical(
            "a call has not returned within %g s of %s; the process ends without it",
            self._limit,
            name,
        )
        _flush()
        os._exit(128 + number)


def _flush() -> None:
    """Write what the process has printed and logged, unless the thread that hangs prevents that."""

    def write() -> None:
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(Exception):  # None without a console, or a broken pipe.
                stream.flush()
        logging.shutdown()

    writing = threading.Thread(target=write, name="rlmesh-flush", daemon=True)
    writing.start()
    writing.join(_FLUSH_SECONDS)


_active: list[_Watch] = []
_masks: list[set[Any]] = []


@contextmanager
def stop_on_signals(stop: Callable[[], None], limit: float) -> Generator[None, None, None]:
    """Call `stop`, on another thread, on SIGINT or SIGTERM; a second one acts as it did before.

    A signal counts as the second one from half a second after the first.

    If the context has not ended `limit` seconds after the first, the process does, with status 128
    and the signal's number. Outside of the main thread, which alone takes signals in Python, it
    does nothing. A child process forked meanwhile has the signals as they were before.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    watch = _Watch(stop, limit)
    watch.begin()
    _active.append(watch)
    try:
        yield
    finally:
        _active.remove(watch)
        watch.end()


def _before_fork() -> None:
    if _active:
        # A signal to the child must find the child's own handlers.
        _masks.append(signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS))


def _in_parent() -> None:
    if _masks:
        signal.pthread_sigmask(signal.SIG_SETMASK, _masks.pop())


def _in_child() -> None:
    while _active:
        _active.pop().forget()
    _in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before_fork, after_in_parent=_in_parent, after_in_child=_in_child)
