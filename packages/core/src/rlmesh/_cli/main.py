"""The console script `rlmesh`. Without the extra `cli` it says how to get that."""

from __future__ import annotations

import io
import os
import sys

__all__ = ["main"]

_EXTRA = ("rich", "typer")


def main() -> int:
    """Run the command line of the process.

    Returns:
        Exit status, where it does not exit by itself: 0 after success, 1 after a failure, 2 where
        the command line is wrong, 130 after Ctrl-C.
    """
    _open_streams()
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As Python's stderr does: no locale is a reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        import rich
        import typer
    except ImportError as error:
        if (error.name or "").partition(".")[0] not in _EXTRA:
            raise  # It is there, and lacks something of its own.
        print(f'rlmesh: {error.name} is missing: pip install "rlmesh-core[cli]"', file=sys.stderr)
        return 1
    del rich, typer
    try:
        from rlmesh._cli.app import app

        app(prog_name="rlmesh")
    except KeyboardInterrupt:  # While it imports; a command tells of it by itself.
        return 130
    except OSError as error:  # Such as a full disk below --help.
        print(f"rlmesh: {error}", file=sys.stderr)
        return 1
    return 0


def _open_streams() -> None:
    """Put the null device where a standard stream was closed.

    The next socket would get its number else, and whatever is printed.
    """
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            os.dup2(null, number)
            if null != number:
                os.close(null)
            stream = os.fdopen(number, "w" if number else "r", closefd=False)
            setattr(sys, name, stream)
