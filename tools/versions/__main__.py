"""`python3 -m tools.versions`: one version for the spec and all packages."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .addresses import set_address
from .lockstep import bump, check
from .version import Version

__all__ = ["main"]

REPOSITORY = Path(__file__).resolve().parents[2]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 1 if versions disagree or the new version is refused."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.versions", description=__doc__)
    parser.add_argument("--root", type=Path, default=REPOSITORY, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="all places state the version of spec/VERSION")
    raised = commands.add_parser("bump", help="state a higher version everywhere but in gen/")
    raised.add_argument("version", help="MAJOR.MINOR.PATCH or MAJOR.MINOR.PATCHrcN")
    placed = commands.add_parser("urls", help="write the address of the project into each package")
    placed.add_argument("address", help="https://HOST/PATH of the source")
    options = parser.parse_args(arguments)
    root: Path = options.root.resolve()
    try:
        if options.command == "urls":
            return _print_paths(root, set_address(root, options.address))
        return _check(root) if options.command == "check" else _bump(root, options.version)
    except ValueError as error:
        print(f"versions: {error}", file=sys.stderr)
        return 1


def _check(root: Path) -> int:
    faults = check(root)
    for fault in faults:
        print(f"versions: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _print_paths(root: Path, paths: Sequence[Path]) -> int:
    for path in paths:
        print(path.relative_to(root))
    return 0


def _bump(root: Path, version: str) -> int:
    _print_paths(root, bump(root, Version.parse(version)))
    print(
        "next: write the entries in CHANGELOG.md and spec/CHANGELOG.md, then\n"
        "make spec-release, which writes the image, gen/, the vectors and the fuzzer's seeds"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
