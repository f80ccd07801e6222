"""The log of a command: its level and form, and what else goes to stderr in that form."""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from typing import Any

from rlmesh._cli.sources import read_choice
from rlmesh._log_output import (
    LOG_FORMAT_VARIABLE,
    LOG_FORMATS,
    LOG_LEVELS,
    LOG_VARIABLE,
    log_to_stderr,
)
from rlmesh._logs import Lines, facts, logger
from rlmesh._printable import escape_control_chars
from rlmesh._variables import warn_of_unknown_variables
from rlmesh.options import ServeOptions

__all__ = ["LEVEL_HELP", "begin_log", "note"]

LEVEL_HELP = f"{', '.join(LOG_LEVELS[:-1])} or {LOG_LEVELS[-1]}"

_log = logger("rlmesh.cli")

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")

_is_json = False


def begin_log(level: str | None, log_format: str | None, default: str) -> None:
    """Write the log of this process, and of those that it starts, to stderr.

    Args:
        level: Value of `--log-level`, or of its variable; None or empty: `default`.
        log_format: Value of `--log-format`, or of its variable; None or empty: text.
        default: Level of the command.

    Raises:
        UsageProblem: If there is no such level or format.
    """
    global _is_json
    level = read_choice((level or default).lower(), "--log-level", LOG_LEVELS)
    log_format = read_choice((log_format or "text").lower(), "--log-format", LOG_FORMATS)
    log_to_stderr(str(level), str(log_format))
    os.environ[LOG_VARIABLE], os.environ[LOG_FORMAT_VARIABLE] = str(level), str(log_format)
    _is_json = log_format == "json"
    warnings.formatwarning = _one_line
    if _is_json:
        warnings.showwarning = _log_warning
    warn_of_unknown_variables(ServeOptions.__dataclass_fields__, stacklevel=2)


def note(text: str) -> None:
    """Print a message for the user to stderr, or log it if stderr is for JSON."""
    if _is_json:
        _log.log(max(logging.WARNING, _log.getEffectiveLevel()), "%s", Lines(text))
    else:
        print(escape_control_chars(text, "\n"), file=sys.stderr, flush=True)


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> str:
    # Gymnasium adds colours to its warnings.
    return f"warning: {escape_control_chars(_COLOUR.sub('', str(message)))}\n"


def _log_warning(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> None:
    words = _COLOUR.sub("", str(message))
    _log.warning("%s", words, extra=facts("warning", category=category.__name__))
