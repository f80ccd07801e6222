"""`ProgressReport`: how far a run is, in one line now and then, also while no episode ends."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from html import escape
from typing import Any, Literal, Protocol, Union

from rlmesh._evaluation.episode import RunningEpisode
from rlmesh._logs import logger
from rlmesh._printable import escape_control_chars
from rlmesh.results import EpisodeResult
from rlmesh.results._success_tally import SuccessTally

__all__ = ["Progress", "ProgressReport", "display_of"]

_log = logger("rlmesh.evaluate")

AUTO: Literal["auto"] = "auto"
"""The argument `progress` for output on a terminal and in a notebook alone."""

Progress = Union[bool, Literal["auto"], Callable[[str], object]]
"""The type of the argument `progress` of `rlmesh.evaluate`."""

LINE_SECONDS = 30.0
"""Seconds between two lines of a log or a function."""

REDRAW_SECONDS = 1.0
"""Seconds between two states of a line that is drawn again in its place."""


class Display(Protocol):
    """A place for lines.

    Attributes:
        seconds: Seconds between two lines.
    """

    seconds: float

    def show(self, line: str, share: float | None, is_last: bool) -> None:
        """Show a line.

        Args:
            line: The line.
            share: Share of the episodes that have ended, 0 to 1; None: the run is endless.
            is_last: Whether no line follows.
        """
        ...


class _Lines:
    """A display that passes each line to a function."""

    def __init__(self, write: Callable[[str], object]) -> None:
        self.seconds = LINE_SECONDS
        self._write = write

    def show(self, line: str, share: float | None, is_last: bool) -> None:
        self._write(line)


class _Terminal:
    """A display that draws each line in the place of the one before."""

    def __init__(self, stream: Any) -> None:
        self.seconds = REDRAW_SECONDS
        self._stream = stream
        self._width = 0

    def show(self, line: str, share: float | None, is_last: bool) -> None:
        end = "\n" if is_last else ""
        print(f"\r{line.ljust(self._width)}{end}", end="", file=self._stream, flush=True)
        self._width = len(line)


class _Notebook:
    """A display that updates one output of a notebook's cell: a bar, and the line as its text."""

    def __init__(self, display: Any) -> None:
        self.seconds = REDRAW_SECONDS
        self._display = display
        self._handle: Any = None

    def show(self, line: str, share: float | None, is_last: bool) -> None:
        value = "" if share is None else f' value="{share:.4f}"'
        html = f"<progress{value}></progress> <code>{escape(line)}</code>"
        data = {"text/plain": line, "text/html": html}
        if self._handle is None:
            self._handle = self._display(data, raw=True, display_id=True)
        else:
            self._handle.update(data, raw=True)


def display_of(progress: Progress) -> Display | None:
    """Return the display that an argument requests: of a notebook, a terminal or a log.

    Raises:
        TypeError: If the argument is neither a bool, "auto" nor callable.
    """
    if callable(progress):
        return _Lines(progress)
    if not isinstance(progress, bool) and progress != AUTO:
        raise TypeError(f"progress={progress!r:.60}; expected True, False, 'auto' or a function")
    if progress is False:
        return None
    if (display := _notebook_display()) is not None:
        return _Notebook(display)
    if sys.stderr.isatty():
        return _Terminal(sys.stderr)
    if progress == AUTO:
        return None
    return _Lines(lambda line: print(line, file=sys.stderr, flush=True))


def _notebook_display() -> Any:
    """Return IPython's `display` if a notebook runs this process; else None."""
    ipython: Any = sys.modules.get("IPython")
    if ipython is None or not hasattr(ipython.get_ipython(), "kernel"):
        return None
    return ipython.display.display


class ProgressReport:
    """Shows a line at the start of a run, then regularly, and at its end.

    The lines come from a thread of their own, because a single step may take long.

    Args:
        display: Where the lines are shown.
    """

    def __init__(self, display: Display) -> None:
        self._display = display
        self._lock = threading.Lock()
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._running: dict[int, RunningEpisode] = {}
        self._total: int | None = None
        self._before = self._ended = self._steps = 0
        self._reward = 0.0
        self._successes = SuccessTally()
        self._begun = time.monotonic()
        self.endpoints = 0
        """Number of endpoints that are connected."""

    def begin(self, total: int | None, finished: Iterable[EpisodeResult]) -> None:
        """Show the first line, and start the thread.

        Args:
            total: Number of episodes of the run; None: endless.
            finished: Episodes of its journal.
        """
        self._begun = time.monotonic()
        self._total = total
        for episode in finished:
            self._count(episode)
            self._before += 1
        self._steps = 0  # Steps of this run alone have this run's seconds.
        if not self._show():
            return
        self._thread = threading.Thread(target=self._repeat, name="rlmesh-progress", daemon=True)
        self._thread.start()

    def began(self, attempt: RunningEpisode) -> None:
        """Count the steps of an episode from now on."""
        with self._lock:
            self._running[attempt.planned.index] = attempt

    def ended(self, episode: EpisodeResult) -> None:
        """Count an episode that has ended."""
        with self._lock:
            self._running.pop(episode.index, None)
            self._count(episode)

    def stop(self) -> None:
        """Show the last line, and end the thread; may be called again."""
        thread, self._thread = self._thread, None
        if thread is not None:
            self._stopped.set()
            thread.join()
            self._show(is_last=True)

    def _count(self, episode: EpisodeResult) -> None:
        self._ended += 1
        self._steps += episode.steps
        self._reward += episode.reward
        self._successes.add(episode)

    def _repeat(self) -> None:
        while not self._stopped.wait(self._display.seconds) and self._show():
            pass

    def _show(self, *, is_last: bool = False) -> bool:
        try:
            line, share = self._line(is_last)
            self._display.show(escape_control_chars(line), share, is_last)
            return True
        except Exception:
            # A closed stream or a fault of the function must not end the run.
            _log.exception("progress is not shown any more")
            return False

    def _line(self, is_last: bool = False) -> tuple[str, float | None]:
        with self._lock:
            seconds = time.monotonic() - self._begun
            steps = self._steps + sum(attempt.steps for attempt in self._running.values())
            parts = [f"{steps} steps, {steps / max(seconds, 1e-9):.0f}/s"]
            if self.endpoints != 1:
                parts.append(f"{self.endpoints} endpoints")
            if self._ended:
                parts.append(f"reward {self._reward / self._ended:.4g}")
            if (rate := self._successes.rate) is not None:
                parts.append(f"success {rate:.0%}")
            parts.append(f"{_clock(seconds)} elapsed")
            here = self._ended - self._before
            # A run that was stopped takes no more time, although episodes are left.
            if self._total is not None and here and self._ended < self._total and not is_last:
                left = seconds / here * (self._total - self._ended)
                parts.append(f"about {_clock(left)} left")
            of = f"/{self._total}" if self._total is not None else ""
            share = self._ended / self._total if self._total else None
            return f"evaluating: {self._ended}{of} episodes, {', '.join(parts)}", share


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}"
