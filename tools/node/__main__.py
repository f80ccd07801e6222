"""`python3 -m tools.node`: test packages/typescript against every golden vector."""

from __future__ import annotations

import argparse
import re
import sys

from .package import NodeError, build, run_tests

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Install, compile and test; return 1 if a test fails, 2 if the tools are missing."""
    argparse.ArgumentParser(prog="python3 -m tools.node", description=__doc__).parse_args(arguments)
    try:
        build()
    except NodeError as error:
        print(f"node: {error}", file=sys.stderr)
        return 2
    done = run_tests()
    if done.returncode != 0:
        print(done.stdout + done.stderr, file=sys.stderr)
        return 1
    for line in re.findall(r"^# ((?:checked|tests|pass|fail|skipped) .*)$", done.stdout, re.M):
        print(line)
    return 0


if __name__ == "__main__":
    sys.exit(main())
