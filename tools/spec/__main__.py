"""`python3 -m tools.spec`: the guards of the spec and its releases."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ..codegen.buf import buf, digest, image
from ..codegen.environment import REPOSITORY, CodegenError
from .guard import CHECKS, breaking, formatted, lint
from .releases import image_path, spec_version, write_release

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Run one command; return 1 if a check found a fault or the command was refused."""
    options = _parser().parse_args(arguments)
    root: Path = options.root.resolve()
    try:
        return _run(options, root)
    except CodegenError as error:
        print(f"spec: {error}", file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tools.spec", description=__doc__)
    parser.add_argument("--root", type=Path, default=REPOSITORY, help=argparse.SUPPRESS)
    commands = parser.add_subparsers(dest="command", required=True)
    picture = commands.add_parser("image", help="print the SHA-256 of the image of HEAD")
    picture.add_argument("--out", type=Path, help="write the image to this file as well")
    release = commands.add_parser("release", help="write spec/releases/<VERSION>.binpb")
    release.add_argument(
        "--force-rc", action="store_true", help="replace an unreleased candidate's"
    )
    commands.add_parser("lint", help="buf lint")
    layout = commands.add_parser("format", help="buf format, in place")
    layout.add_argument("--check", action="store_true", help="print the difference, write nothing")
    commands.add_parser("breaking", help="buf breaking against the releases that bind HEAD")
    commands.add_parser("unchanged", help="the spec is that of spec/VERSION's image")
    commands.add_parser("check", help="all checks")
    return parser


def _run(options: argparse.Namespace, root: Path) -> int:
    if options.command == "image":
        return _image(root, options.out)
    if options.command == "release":
        return _release(root, options.force_rc)
    if options.command == "format" and not options.check:
        buf("format", "--write", root=root)
        return 0
    checks = list(CHECKS) if options.command == "check" else [options.command]
    faults = [(name, fault) for name in checks for fault in CHECKS[name](root)]
    for name, fault in faults:
        print(f"spec {name}: {fault}", file=sys.stderr)
    return 1 if faults else 0


def _image(root: Path, out: Path | None) -> int:
    head = image(root)
    if out is not None:
        out.write_bytes(head)
    print(digest(head))
    return 0


def _release(root: Path, force_rc: bool) -> int:
    """Write the image, unless the spec would not pass its checks with it."""
    faults = lint(root) + formatted(root) + breaking(root, own=False)
    for fault in faults:
        print(f"spec release: {fault}", file=sys.stderr)
    if faults:
        return 1
    version = spec_version(root)
    changed = write_release(root, force_rc=force_rc)
    path = image_path(root, version).relative_to(root)
    print(f"{path}: {'written' if changed else 'up to date'}; next: make gen seeds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
