"""`python3 -m tools.site`: build the documentation site, or serve it while it is written."""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from ..pythons import REPOSITORY, fresh_venv, made_once, pip_install
from .outside import outside_loads

__all__ = ["SITE", "main"]

LOCK = REPOSITORY / "requirements" / "docs.txt"
VENV = REPOSITORY / "build" / "docs-venv"
SITE = REPOSITORY / "build" / "site"


def main(arguments: Sequence[str] | None = None) -> int:
    """Build or serve the site; return 1 if it has a fault."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.site", description=__doc__)
    parser.add_argument("--serve", action="store_true", help="serve it on 127.0.0.1:8000")
    options = parser.parse_args(arguments)
    python = _environment()
    goal = ["serve"] if options.serve else ["build", "--clean", "--site-dir", str(SITE)]
    # In the newest MkDocs, the theme prints an advertisement of a successor unless it is silenced.
    quiet = {**os.environ, "NO_MKDOCS_2_WARNING": "1", "DISABLE_MKDOCS_2_WARNING": "true"}
    command = [str(python), "-m", "mkdocs", "--quiet", goal[0], "--strict", *goal[1:]]
    done = subprocess.run(command, cwd=REPOSITORY, env=quiet, check=False)
    if done.returncode or options.serve:
        return done.returncode
    loads = outside_loads(SITE)
    for page, address in loads:
        print(f"{page}: loads {address}; expected nothing from another host", file=sys.stderr)
    if not loads:
        print(f"the site is {SITE.relative_to(REPOSITORY)}/index.html")
    return 1 if loads else 0


def _environment() -> Path:
    """Return the Python of the site's environment, which is made if its lock file has changed."""
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    with made_once(VENV, f"{wanted} {sys.version}") as needed:
        if needed:
            pip_install(fresh_venv(sys.executable, VENV), ["--require-hashes", "-r", LOCK])
    return VENV / "bin" / "python"


if __name__ == "__main__":
    sys.exit(main())
