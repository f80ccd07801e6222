"""The output and exit status of commands.

Results go to stdout, everything else to stderr. With `--json`, stdout gets exactly one document;
what user code prints then goes to stderr too.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
from collections.abc import Callable, Generator, Mapping
from json import dumps, loads
from typing import Any

import typer
from rich.console import Console

from rlmesh._cli.logs import note
from rlmesh._cli.signals import Terminated, ended_by_signals
from rlmesh._cli.sources import UsageProblem
from rlmesh._cli.user_code import users_traceback
from rlmesh.errors import RLMeshError
from rlmesh.results import RunResult

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "Reporter", "refuse", "reporting"]

NO_OPTIONS: Mapping[str, str] = {}
FAILED = 1
MISUSED = 2
INTERRUPTED = 130


class Reporter:
    """The output of one command.

    Attributes:
        json: Whether stdout is reserved for one JSON document.
        out: Console for results other than the document.
        err: Console for everything else.
        unfinished: Returns the document's other entries if the command fails.

    Args:
        json: Whether stdout is reserved for one JSON document.
        stream: Unbuffered stream for the document, so that a failing write is reported only once.
        options: Option for the name of each argument that messages may have instead.
    """

    def __init__(self, json: bool, stream: Any, options: Mapping[str, str] = NO_OPTIONS) -> None:
        self.json = json
        self._options = options
        # Without a terminal there is no width, so that lines are not wrapped at 80 columns.
        self.out = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
        self.err = Console(stderr=True, highlight=False)
        self.unfinished: Callable[[], dict[str, Any]] = dict
        self._stream = stream
        self._has_written = False

    def document(self, value: Any) -> None:
        """Write the document: a JSON text, or a value that `json` can write; NaN is "NaN"."""
        text = value if isinstance(value, str) else dumps(_finite(value), indent=2)
        self._has_written = True
        left = f"{text.rstrip()}\n".encode(errors="backslashreplace")
        while left:
            left = left[self._stream.write(left) :]

    def note(self, text: str) -> None:
        """Print a message for the user to stderr."""
        note(text)

    def message(self, error: BaseException) -> str:
        """Return an error's message, with options in the place of arguments of Python."""
        words = _message(error)
        if not self._options:
            return words
        names = "|".join(map(re.escape, self._options))
        return re.sub(rf"\b({names})\b", lambda found: self._options[found[0]], words)

    def failed(self, error: BaseException) -> None:
        """Write the document of a command that failed, with the result it has so far."""
        if self.json and not self._has_written:
            message = self.message(error)
            facts: dict[str, Any] = {"type": type(error).__name__, "message": message}
            result = getattr(error, "result", None)
            run = {"result": loads(result.to_json())} if isinstance(result, RunResult) else {}
            with contextlib.suppress(OSError):  # The error itself is on stderr too.
                self.document({"error": facts, **run, **self.unfinished()})


def refuse(message: str) -> None:
    """Write the document of a command line that cannot be parsed."""
    with _document_stream(True) as stream:
        Reporter(True, stream).failed(UsageProblem(message))


@contextlib.contextmanager
def reporting(
    command: str, *, json: bool, debug: bool, options: Mapping[str, str] = NO_OPTIONS
) -> Generator[Reporter, None, None]:
    """Yield the output of a command, and end the process with a status if the block fails.

    Args:
        command: Name of the command.
        json: Whether stdout is reserved for one JSON document.
        debug: Whether failures are printed with their tracebacks.
        options: Option for the name of each argument that messages may have instead.

    Raises:
        typer.Exit: With the status, if the command fails or is interrupted.
    """
    with _document_stream(json) as stream, ended_by_signals():
        reporter = Reporter(json, stream, options)
        try:
            yield reporter
            sys.stdout.flush()
        except (typer.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt as error:
            reporter.failed(error)
            reporter.note(f"rlmesh {command}: {reporter.message(error)}")
            status = 128 + error.number if isinstance(error, Terminated) else INTERRUPTED
            raise typer.Exit(status) from None
        # SystemExit comes from user code, which must not choose the status of this command.
        except (Exception, SystemExit) as error:
            if debug:
                traceback.print_exc()
            elif own := users_traceback(error):
                reporter.note(own.rstrip())
            reporter.failed(error)
            words = reporter.message(error).replace("\n", "\n    ")  # No line that looks like ours.
            reporter.note(f"rlmesh {command}: {words}")
            raise typer.Exit(MISUSED if isinstance(error, UsageProblem) else FAILED) from None


@contextlib.contextmanager
def _document_stream(json: bool) -> Generator[Any, None, None]:
    """Yield the real stdout for the document, while all other output goes to stderr."""
    if not json:
        yield None
        return
    sys.stdout.flush()
    # The descriptor is replaced, because libraries and child processes write to it directly.
    with os.fdopen(os.dup(1), "wb", buffering=0) as stream:
        os.dup2(2, 1)
        try:
            yield stream
        finally:
            sys.stdout.flush()
            os.dup2(stream.fileno(), 1)


def _message(error: BaseException) -> str:
    if isinstance(error, RLMeshError):
        return error.message
    if isinstance(error, KeyboardInterrupt):
        return str(error) if isinstance(error, Terminated) else "interrupted"
    if isinstance(error, (UsageProblem, ImportError)):
        return str(error)
    return f"{type(error).__name__}: {error}"


def _finite(value: Any) -> Any:
    """Return `value` with numbers that JSON lacks written as in protobuf's JSON."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
