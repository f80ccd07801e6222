"""`python -m tools.prose`: measure the prose; 1 if a limit is exceeded or a docstring bad."""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from .habits import HABITS, Habit, Hit, count_words, hits
from .references import definitions, stale_references
from .text import passages
from .verbs import verb_faults

__all__ = ["main"]

REPOSITORY = Path(__file__).resolve().parents[2]

# Generated files, templates of generated files, and the user's own pages, which are kept verbatim.
_FOREIGN = ("gen/", "tools/codegen/templates/", "examples/python/quickstart/")
_WORST = 5
"""Number of files that are listed for each habit."""


@dataclass(frozen=True)
class _File:
    """The measurements of one file.

    Attributes:
        path: Path relative to the root.
        words: Number of words of prose.
        hits: Uses of each habit.
    """

    path: Path
    words: int
    hits: dict[Habit, list[Hit]]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the tool; return 1 if a rate is over its limit or a docstring has a fault."""
    parser = argparse.ArgumentParser(prog="python -m tools.prose", description=__doc__)
    parser.add_argument("paths", nargs="*", type=Path, help="files or folders (default: all)")
    parser.add_argument("--files", action="store_true", help="list every hit with its line")
    parser.add_argument("--root", type=Path, default=REPOSITORY, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    root: Path = options.root.resolve()
    chosen = _chosen(root, options.paths)
    groups = {
        "docstrings and comments": [path for path in chosen if path.suffix == ".py"],
        "documents": [path for path in chosen if path.suffix == ".md"],
    }
    results = [
        _report(title, [_measured(root, path) for path in paths], every=options.files)
        for title, paths in groups.items()
        if paths
    ]
    sources = [path for path in groups["docstrings and comments"] if _is_source(path)]
    return 0 if all([*results, _check_docstrings(root, sources)]) else 1


def _chosen(root: Path, wanted: Sequence[Path]) -> list[Path]:
    """Return the Python and Markdown files to measure, relative to the root."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.md"]
    listed = subprocess.run(command, cwd=root, check=True, capture_output=True, text=True).stdout
    folders = [path.resolve() for path in wanted]
    return [
        Path(name)
        for name in sorted(set(listed.splitlines()))
        if not name.startswith(_FOREIGN)
        and (root / name).is_file()
        and (not folders or any((root / name).is_relative_to(folder) for folder in folders))
    ]


def _is_source(path: Path) -> bool:
    return path.parts[0] == "packages" and "src" in path.parts


def _is_thin(path: Path) -> bool:
    return path.parts[1] == "thin"


def _measured(root: Path, path: Path) -> _File:
    found = passages(root / path)
    counted = {habit: [hit for p in found for hit in hits(habit, p)] for habit in HABITS}
    return _File(path, sum(map(count_words, found)), counted)


def _report(title: str, files: Sequence[_File], *, every: bool) -> bool:
    """Print the rates and the worst files of a group; return whether all limits are met."""
    words = sum(file.words for file in files)
    print(f"{title}: {words:,} words in {len(files)} files")
    is_good = True
    for habit in HABITS:
        count = sum(len(file.hits[habit]) for file in files)
        rate = 1000 * count / words if words else 0.0
        is_good &= rate <= habit.limit
        verdict = "" if rate <= habit.limit else "  OVER"
        print(f"  {habit.name}: {rate:.2f} per 1,000 words (limit {habit.limit}){verdict}")
        worst = sorted(files, key=lambda file: len(file.hits[habit]), reverse=True)
        for file in worst if every else worst[:_WORST]:
            _print_hits(file, file.hits[habit], every=every)
    return is_good


def _print_hits(file: _File, found: Sequence[Hit], *, every: bool) -> None:
    if not found:
        return
    if every:
        for hit in found:
            print(f"    {file.path}:{hit.line}: {hit.context}")
    else:
        lines = ", ".join(str(hit.line) for hit in found[:8])
        print(
            f"    {len(found):3} in {file.path}: lines {lines}{', ...' if len(found) > 8 else ''}"
        )


def _check_docstrings(root: Path, paths: Sequence[Path]) -> bool:
    """Print the faults of docstrings in verbs and references; return whether there are none."""
    sources = [path for path in _chosen(root, ()) if _is_source(path)]
    found: list[tuple[Path, int, str]] = []
    for path in paths:
        found.extend((path, *fault) for fault in verb_faults(root / path))
    # The thin host shares no code with the other packages.
    for is_thin in (False, True):
        defined = definitions([root / path for path in sources if _is_thin(path) is is_thin])
        for path in paths:
            if _is_thin(path) is is_thin:
                found.extend((path, *fault) for fault in stale_references(root / path, defined))
    for path, line, fault in found:
        print(f"{path}:{line}: {fault}")
    return not found


if __name__ == "__main__":
    sys.exit(main())
