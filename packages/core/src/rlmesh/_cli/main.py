"""The console script `rlmesh`. Without the extra `cli`, it prints how to install it."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["main"]

_EXTRA = ("rich", "typer")


def main() -> int:
    """Run the command line of the process.

    Returns:
        Exit status, unless the process exits by itself: 0 after success, 1 after a failure, 2 if
        the command line is wrong, 130 after Ctrl-C.
    """
    _open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As on Python's stderr, because a locale is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        import rich
        import typer
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise  # The library is installed, but one of its own imports is missing.
        print(f'rlmesh: {error.name} is missing: pip install "rlmesh-core[cli]"', file=sys.stderr)
        return 1
    del rich, typer
    try:
        from rlmesh._cli.app import app

        app(prog_name="rlmesh")
    except KeyboardInterrupt:  # During imports; a running command handles it itself.
        return 130
    except OSError as error:  # For example a full disk during --help.
        print(f"rlmesh: {error}", file=sys.stderr)
        return 1
    return 0


def _open_streams() -> None:
    """Open the null device in place of a standard stream that is closed.

    Otherwise the next socket would get that descriptor, and anything that is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
            stream = os.fdopen(number, "w" if number else "r", closefd=False)
            setattr(sys, name, stream)
