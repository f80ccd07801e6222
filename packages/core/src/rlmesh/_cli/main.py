"""The console script `rlmesh`. Without the extra `cli` it says how to get that."""

from __future__ import annotations

import sys

__all__ = ["main"]

_EXTRA = ("rich", "typer")


def main() -> int:
    """Run the command line of the process.

    Returns:
        Exit status, where it does not exit by itself: 0 after success, 1 after a failure, 2 where
        the command line is wrong, 130 after Ctrl-C.
    """
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
    return 0
