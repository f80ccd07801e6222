"""`log_to_stderr`: writes the log of RLMesh to stderr, as text or as JSON."""

from __future__ import annotations

import json
import logging
import os
import sys
import time
from typing import TYPE_CHECKING, Any

__all__ = [
    "FACTS",
    "LOG_FORMATS",
    "LOG_FORMAT_VARIABLE",
    "LOG_LEVELS",
    "LOG_VARIABLE",
    "log_by_variables",
    "log_to_stderr",
]

LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("text", "json")

LOG_VARIABLE = "RLMESH_LOG"
LOG_FORMAT_VARIABLE = "RLMESH_LOG_FORMAT"

ROOT = "rlmesh"
"""Name of the logger that all loggers of RLMesh are below."""


FACTS = "rlmesh_facts"
"""Name of the attribute of a record that has the facts of its event."""


if TYPE_CHECKING:
    _StreamHandler = logging.StreamHandler[Any]
else:
    _StreamHandler = logging.StreamHandler  # Python 3.10 has no subscript of it.


class _Output(_StreamHandler):
    """A handler that writes to what `sys.stderr` is at that time.

    Args:
        is_fallback: Whether it writes only if the program has configured no logging of its own.
    """

    def __init__(self, is_fallback: bool) -> None:
        super().__init__(sys.stderr)
        self._is_fallback = is_fallback

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record."""
        if self._is_fallback and logging.root.handlers:
            return
        self.stream = sys.stderr
        super().emit(record)


class _Text(logging.Formatter):
    """A line for each record: time in UTC, level and message."""

    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(message)s")
        self.converter = time.gmtime


class _Json(logging.Formatter):
    """A JSON object for each record, on one line.

    It has the time, level, logger and message, the traceback if there is one, and the facts of an
    event: `event`, `session`, `client`, `peer`, `seconds` and others.
    """

    _times = _Text()

    def format(self, record: logging.LogRecord) -> str:
        """Return the object."""
        line: dict[str, Any] = {
            "time": self._times.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **getattr(record, FACTS, {}),
        }
        if record.exc_info and not record.exc_text:
            record.exc_text = self.formatException(record.exc_info)
        if record.exc_text:
            line["traceback"] = record.exc_text
        return json.dumps(line, default=str)


def log_to_stderr(level: str, log_format: str, *, is_fallback: bool = False) -> None:
    """Write records of RLMesh to stderr; a later call replaces an earlier one.

    Args:
        level: Lowest level that is written; one of `LOG_LEVELS`.
        log_format: One of `LOG_FORMATS`.
        is_fallback: Whether records are written only if the program has configured no logging of
            its own. If False, they do not reach the program's own handlers.
    """
    root = logging.getLogger(ROOT)
    for handler in [handler for handler in root.handlers if isinstance(handler, _Output)]:
        root.removeHandler(handler)
    output = _Output(is_fallback)
    output.setFormatter(_Json() if log_format == "json" else _Text())
    root.addHandler(output)
    root.setLevel(level.upper())
    root.propagate = is_fallback


def log_by_variables() -> str:
    """Write the log as the process's variables request; without any, change nothing.

    Returns:
        What is wrong with a variable; empty: nothing.
    """
    level = os.environ.get(LOG_VARIABLE, "").lower()
    log_format = os.environ.get(LOG_FORMAT_VARIABLE, "").lower()
    if not level and not log_format:
        return ""
    choices = ((LOG_VARIABLE, level, LOG_LEVELS), (LOG_FORMAT_VARIABLE, log_format, LOG_FORMATS))
    for variable, text, words in choices:
        if text and text not in words:
            return f"{variable}: expected {' or '.join(words)}, got {text!r:.60}"
    log_to_stderr(level or "warning", log_format or "text", is_fallback=True)
    return ""
