"""The headings of the changelogs: CHANGELOG.md of the packages and spec/CHANGELOG.md."""

from __future__ import annotations

import re
from pathlib import Path

from .version import Version

__all__ = ["add_heading", "changelogs", "has_entry"]


def changelogs(root: Path) -> list[Path]:
    """Return the files that have a heading for each version."""
    return [root / "CHANGELOG.md", root / "spec" / "CHANGELOG.md"]


def has_entry(path: Path, version: Version) -> bool:
    """Return whether a changelog has a heading for a version, with text below it."""
    text = path.read_text() if path.is_file() else ""
    entry = rf"^## \[?{re.escape(str(version))}(?![\w.])[^\n]*\n\s*(?!#{{1,2}} )\S"
    return re.search(entry, text, re.MULTILINE) is not None


def add_heading(path: Path, version: Version) -> None:
    """Insert a heading for a version above the newest one; the text has to be written by hand.

    The heading ends in " - unreleased", which the release replaces by its date.
    """
    text = path.read_text() if path.is_file() else "# Changes\n"
    if re.search(rf"^## \[?{re.escape(str(version))}(?![\w.])", text, re.MULTILINE):
        return
    newest = re.search(r"^## ", text, re.MULTILINE)
    at = newest.start() if newest else len(text)
    lead = "" if newest else "\n"
    path.write_text(f"{text[:at]}{lead}## {version} - unreleased\n\n{text[at:]}")
