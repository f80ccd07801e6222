"""Installs, compiles and tests packages/typescript."""

from __future__ import annotations

import hashlib
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ..codegen.environment import has_npm
from ..pythons import REPOSITORY, made_once

__all__ = ["PACKAGE", "TESTS", "NodeError", "NotInstalledError", "build", "run_tests"]

PACKAGE = REPOSITORY / "packages" / "typescript"
PROTO = REPOSITORY / "gen" / "typescript"
TESTS = PACKAGE / "dist" / "test"

TIMEOUT = 300.0
"""Largest duration of one command, in seconds."""

# The versions are pinned in package.json. A lock file would name the registry it was made from.
INSTALL = ("--install-links", "--no-package-lock", "--no-save", "--ignore-scripts")
QUIET = ("--no-audit", "--no-fund", "--loglevel=error")


class NodeError(Exception):
    """The package cannot be compiled; the message has the reason."""


class NotInstalledError(NodeError):
    """Node or npm is missing, or npm could not install a dependency of the package."""


def build() -> None:
    """Install and compile the package, if something has changed since the last time.

    Raises:
        NotInstalledError: If the tools are not installed.
        NodeError: If it does not compile.
    """
    if not has_npm():
        raise NotInstalledError("packages/typescript needs Node 20 or newer, and npm")
    manifest = PACKAGE / "package.json"
    needs = _digest((manifest, *PROTO.rglob("*")))
    with made_once(PACKAGE / "node_modules", needs) as needed:
        if needed:
            # Installed from its folder, because no registry has this version.
            _checked(["npm", "install", *INSTALL, *QUIET, str(PROTO)], NotInstalledError)
    sources = (*PACKAGE.glob("src/*"), *PACKAGE.glob("test/*"), PACKAGE / "tsconfig.json")
    with made_once(PACKAGE / "dist", needs + _digest(sources)) as needed:
        if needed:
            _checked(["node", "node_modules/typescript/bin/tsc", "--project", "."], NodeError)


def run_tests(
    names: Sequence[str] = ("*",), *, variables: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run tests of the built package; the output is TAP.

    Args:
        names: Patterns of the tests' file names, without `.test.js`.
        variables: Variables to add to the environment.
    """
    files = [str(path) for name in names for path in sorted(TESTS.glob(f"{name}.test.js"))]
    return _run(["node", "--test", "--test-reporter=tap", *files], variables or {})


def _digest(paths: Iterable[Path]) -> str:
    """Return the SHA-256 of the files' names and contents."""
    found = hashlib.sha256()
    for path in sorted(path for path in paths if path.is_file()):
        found.update(str(path.relative_to(REPOSITORY)).encode() + b"\0")
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()


def _checked(command: Sequence[str], error: type[NodeError]) -> None:
    try:
        done = _run(command, {})
    except subprocess.TimeoutExpired as expired:
        raise error(str(expired)) from expired
    if done.returncode != 0:
        output = (done.stdout + done.stderr).strip()
        raise error(f"{command[0]} exited with {done.returncode}:\n{output}")


def _run(command: Sequence[str], variables: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=PACKAGE,
        env={**os.environ, **variables},
        capture_output=True,
        text=True,
        check=False,
        timeout=TIMEOUT,
    )
