"""What commands print, and the status that they end with.

Results go to stdout, everything else to stderr. With `--json` stdout gets one document and nothing
else: what user code prints goes to stderr too.
"""

from __future__ import annotations

import contextlib
import os
import re
import sys
import traceback
import warnings
from collections.abc import Callable, Generator
from json import dumps, loads
from typing import Any

import typer
from rich.console import Console

from rlmesh._cli.signals import Terminated, ended_by_signals
from rlmesh._cli.sources import UsageProblem
from rlmesh._cli.user_code import users_traceback
from rlmesh._reporting.words import escape_control_chars
from rlmesh.errors import RLMeshError
from rlmesh.results import RunResult

__all__ = ["FAILED", "INTERRUPTED", "MISUSED", "Reporter", "refuse", "reporting"]

FAILED = 1
MISUSED = 2
INTERRUPTED = 130

_COLOUR = re.compile(r"\x1b\[[0-9;]*m")


class Reporter:
    """What one command tells.

    Attributes:
        json: Whether stdout is for one JSON document.
        out: Where results go, but for the document.
        err: Where everything else goes.
        unfinished: Tells what the document of a command that fails has besides its error.

    Args:
        json: See above.
        stream: Where the document goes, without a buffer: what cannot be written is told once.
    """

    def __init__(self, json: bool, stream: Any) -> None:
        self.json = json
        # Not cut at 80 columns where no terminal says how wide it is.
        self.out = Console(highlight=False, width=None if sys.stdout.isatty() else 10_000)
        self.err = Console(stderr=True, highlight=False)
        self.unfinished: Callable[[], dict[str, Any]] = dict
        self._stream = stream
        self._told = False

    def document(self, value: Any) -> None:
        """Write the document: a JSON text, or what `json` can write; NaN is "NaN"."""
        text = value if isinstance(value, str) else dumps(_finite(value), indent=2)
        self._told = True
        left = f"{text.rstrip()}\n".encode(errors="backslashreplace")
        while left:
            left = left[self._stream.write(left) :]

    def note(self, text: str) -> None:
        """Tell a person something, on stderr."""
        print(escape_control_chars(text, "\n"), file=sys.stderr, flush=True)

    def failed(self, error: BaseException) -> None:
        """Write the document of a command that has none to write, with what it had finished."""
        if self.json and not self._told:
            told: dict[str, Any] = {"type": type(error).__name__, "message": _message(error)}
            result = getattr(error, "result", None)
            run = {"result": loads(result.to_json())} if isinstance(result, RunResult) else {}
            with contextlib.suppress(OSError):  # The error itself is on stderr too.
                self.document({"error": told, **run, **self.unfinished()})


def refuse(message: str) -> None:
    """Write the document of a command line that cannot be read."""
    with _document_stream(True) as stream:
        Reporter(True, stream).failed(UsageProblem(message))


@contextlib.contextmanager
def reporting(command: str, *, json: bool, debug: bool) -> Generator[Reporter, None, None]:
    """A command from its first to its last line; ends the process where it fails.

    Args:
        command: Its name.
        json: Whether stdout is for one JSON document.
        debug: Whether failures are told with their tracebacks.

    Raises:
        typer.Exit: With the status, where the command fails or is interrupted.
    """
    warnings.formatwarning = _one_line
    with _document_stream(json) as stream, ended_by_signals():
        reporter = Reporter(json, stream)
        try:
            yield reporter
            sys.stdout.flush()
        except (typer.Exit, BrokenPipeError):
            raise
        except KeyboardInterrupt as error:
            reporter.failed(error)
            reporter.note(f"rlmesh {command}: {_message(error)}")
            status = 128 + error.number if isinstance(error, Terminated) else INTERRUPTED
            raise typer.Exit(status) from None
        # SystemExit: from code of the user's, which does not choose the status of this command.
        except (Exception, SystemExit) as error:
            if debug:
                traceback.print_exc()
            elif own := users_traceback(error):
                reporter.note(own.rstrip())
            reporter.failed(error)
            words = _message(error).replace("\n", "\n    ")  # No line that looks like ours.
            reporter.note(f"rlmesh {command}: {words}")
            raise typer.Exit(MISUSED if isinstance(error, UsageProblem) else FAILED) from None


@contextlib.contextmanager
def _document_stream(json: bool) -> Generator[Any, None, None]:
    """Where the document goes: the real stdout, from which everybody else is sent away."""
    if not json:
        yield None
        return
    sys.stdout.flush()
    # The descriptor and not only sys.stdout: libraries and child processes print as well.
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


def _one_line(message: Warning | str, category: type[Warning], *_: Any, **__: Any) -> str:
    # Gymnasium colours its own.
    return f"warning: {escape_control_chars(_COLOUR.sub('', str(message)))}\n"


def _finite(value: Any) -> Any:
    """`value` with the numbers that JSON does not have written as protobuf's JSON writes them."""
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return "NaN" if value != value else "Infinity" if value > 0 else "-Infinity"
    if isinstance(value, dict):
        return {str(key): _finite(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(item) for item in value]
    return value
