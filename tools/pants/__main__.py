"""`python3 -m tools.pants`: run Pants, which is installed on first use.

python3 -m tools.pants fence         refuse imports that tools/pants/fence.py does not allow
python3 -m tools.pants pex           build the PEX that pants.toml names, and run nothing
python3 -m tools.pants GOAL ...      any goal and options of Pants
"""

from __future__ import annotations

import os
import subprocess
import sys

from ..pythons import REPOSITORY
from .environment import PantsError, environment, pants_program, pex_tool

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one goal and return the exit status of Pants."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words:
        print(__doc__, file=sys.stderr)
        return 2
    try:
        if words == ["pex"]:
            print(pex_tool().relative_to(REPOSITORY))
            return 0
        return _fence() if words == ["fence"] else _run(words)
    except (PantsError, subprocess.CalledProcessError) as error:
        print(f"pants: {error}", file=sys.stderr)
        return 1


def _fence() -> int:
    """Check every import by the visibility rules; skip it on a machine that cannot run Pants."""
    try:
        pants_program()
    except PantsError as error:
        print(f"fence: SKIPPED: {error}; tools/tests/test_fence.py has the same rules")
        return 0
    # Pants checks an import when it resolves it.
    status = _run(["--dependencies-output-file=" + os.devnull, "dependencies", "::"])
    if status == 0:
        print("fence: no import is forbidden")
    return status


def _run(words: list[str]) -> int:
    program = pants_program()
    pex_tool()
    env = environment(program.with_name("python"))
    return subprocess.run([str(program), *words], check=False, cwd=REPOSITORY, env=env).returncode


if __name__ == "__main__":
    sys.exit(main())
