"""`logger` and `warn`: the only way to log and to warn, which escapes texts from peers.

A peer chooses its name, the messages of its errors and the keys of its spaces. None of these may
move the cursor of a terminal, or begin a line of a log that looks like the log's own.
"""

from __future__ import annotations

import logging
import os
import threading
import time
import warnings
from typing import Any

from rlmesh._log_output import FACTS, log_by_variables
from rlmesh._printable import escape_control_chars

__all__ = ["Lines", "facts", "logger", "warn"]

_INDENT = "\n    "

FLOOD_RECORDS, FLOOD_SECONDS = 20, 10.0
"""Max number of warnings and errors of one kind, and the seconds that they are counted in."""

MAX_TEXT = 4096
"""Max number of characters of one text in a record; a peer's name may have many more."""

FLOOD_EVENTS = 1000
"""Max number of other records of one kind in the same time: clients may open sessions fast."""


class Lines(str):
    """A text of several lines; all lines but the first are logged with an indent."""


class _Printable(logging.Filter):
    """A filter that escapes a record's arguments and traceback, and drops floods of records.

    Otherwise a peer that causes the same warning again and again would fill a disk.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unlock()
        self._counts: dict[str, list[float]] = {}

    def unlock(self) -> None:
        """Make a new lock; in a child that was forked, a thread of the parent may hold the old one.

        It is reentrant, because garbage that is collected meanwhile may log too.
        """
        self._lock = threading.RLock()

    def _is_one_too_many(self, record: logging.LogRecord) -> bool:
        limit = FLOOD_EVENTS if record.levelno < logging.WARNING else FLOOD_RECORDS
        with self._lock:
            recent = self._counts.setdefault(record.msg, [])
            now = time.monotonic()
            if recent and now - recent[0] > FLOOD_SECONDS:
                recent.clear()
            recent.append(now)
            count = len(recent)
            del recent[limit + 2 :]  # Keep the list short.
        if count == limit + 1:
            words = "%s (and more of this kind, which are left out for %g s)"
            record.msg, record.args = words, (record.getMessage(), FLOOD_SECONDS)
            record.exc_info = None
        return count > limit + 1

    def filter(self, record: logging.LogRecord) -> bool:
        if self._is_one_too_many(record):
            return False
        if isinstance(record.args, tuple):
            record.args = tuple(map(_escaped, record.args))
        if record.exc_info and not record.exc_text:
            trace = logging.Formatter().formatException(record.exc_info)
            record.exc_text = _indented(trace)
        return True


def _escaped(argument: Any) -> Any:
    if isinstance(argument, (int, float)):
        return argument
    if isinstance(argument, Lines):
        return _indented(argument)
    return _cut(escape_control_chars(str(argument)))


def _cut(text: str) -> str:
    return text if len(text) <= MAX_TEXT else text[: MAX_TEXT - 3] + "..."


def _indented(text: str) -> str:
    return escape_control_chars(text, "\n\t").replace("\n", _INDENT)


_PRINTABLE = _Printable()

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_PRINTABLE.unlock)


def logger(name: str) -> logging.Logger:
    """Return the logger of a name: its messages are constants, and its arguments are escaped."""
    found = logging.getLogger(name)
    found.addFilter(_PRINTABLE)  # logging adds the same filter only once.
    return found


def facts(event: str, **values: Any) -> dict[str, Any]:
    """Return the argument `extra` of a call that logs an event.

    Args:
        event: Name of the event.
        **values: Its facts, for logs in JSON, such as `session`, `client`, `peer` and `seconds`.
    """
    known = {
        name: _cut(value) if isinstance(value, str) else value
        for name, value in values.items()
        if value not in (None, "")
    }
    return {FACTS: {"event": event, **known}}


def warn(message: str, category: type[Warning], *, stacklevel: int) -> None:
    """Warn as `warnings.warn` does, without control characters."""
    warnings.warn(escape_control_chars(message), category, stacklevel=stacklevel + 1)


if _wrong := log_by_variables():
    warn(_wrong, RuntimeWarning, stacklevel=1)
