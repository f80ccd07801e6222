"""`python3 -m tools.codegen`: write gen/, or compare it with `--check`."""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from .environment import REPOSITORY, CodegenError, has_npm
from .python import generate_python
from .relocate import RelocationError
from .trees import differences, replace
from .typescript import generate_typescript

__all__ = ["main"]

LANGUAGES: dict[str, Callable[[Path, Path], None]] = {
    "python": generate_python,
    "typescript": generate_typescript,
}


def main(arguments: list[str] | None = None) -> int:
    """Run the tool; return 1 if it failed or, with `--check`, if gen/ is out of date."""
    parser = argparse.ArgumentParser(prog="python3 -m tools.codegen", description=__doc__)
    parser.add_argument("--check", action="store_true", help="compare, write nothing")
    parser.add_argument("--only", choices=sorted(LANGUAGES), help="one language alone")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    languages = [options.only] if options.only else list(LANGUAGES)
    try:
        if options.check:
            return _check(languages, options.root.resolve())
        _write(languages, options.root.resolve())
    except (CodegenError, RelocationError) as error:
        print(f"codegen: {error}", file=sys.stderr)
        return 1
    return 0


def _write(languages: list[str], root: Path) -> None:
    """Generate each language into a temporary folder and copy what changed."""
    for language in languages:
        with tempfile.TemporaryDirectory() as fresh:
            LANGUAGES[language](Path(fresh), root)
            changed = replace(Path(fresh), root / "gen" / language)
        print(f"gen/{language}: {changed} files changed")


def _check(languages: list[str], root: Path) -> int:
    """Compare each language with a new generation; skip a language without its tools."""
    faults: list[str] = []
    for language in languages:
        if language == "typescript" and not has_npm():
            print("gen/typescript: NOT CHECKED, npm is missing", file=sys.stderr)
            continue
        with tempfile.TemporaryDirectory() as fresh:
            LANGUAGES[language](Path(fresh), root)
            faults += differences(Path(fresh), root / "gen" / language)
    for fault in faults:
        print(f"gen/{fault}", file=sys.stderr)
    if faults:
        print("gen/ is not what spec/ generates; run: make gen", file=sys.stderr)
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
