"""Handling of signals that ask a command to end: it ends in order, as after Ctrl-C.

A client that is killed leaves its environment held until the server's grace period is over.
`timeout`, containers and schedulers end a command by SIGTERM.
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
import time
from collections.abc import Generator
from types import FrameType

from rlmesh._server.signals import ECHO_SECONDS

__all__ = ["Terminated", "ended_by_signals"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name))


class Terminated(KeyboardInterrupt):
    """A signal asked the command to end; handlers of an interrupt handle it too.

    Attributes:
        number: Number of the signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(f"ended by {signal.Signals(number).name}")
        self.number = number


@contextlib.contextmanager
def ended_by_signals() -> Generator[None, None, None]:
    """Raise `Terminated` at the first of the signals; a later one has its default effect.

    A signal that is ignored, as under `nohup`, stays ignored. A forked child is not affected.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()
    first: list[float] = []
    taken: list[signal.Signals] = []

    def handle(number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if os.getpid() != owner or (first and now - first[0] >= ECHO_SECONDS):
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        elif not first:
            first.append(now)
            raise Terminated(number)

    for number in _SIGNALS:
        if signal.getsignal(number) is signal.SIG_DFL:
            signal.signal(number, handle)
            taken.append(number)
    try:
        yield
    finally:
        for number in taken:
            signal.signal(number, signal.SIG_DFL)
