"""Reads the tables of spec/CONTRACT.md."""

from __future__ import annotations

import re
from pathlib import Path

__all__ = ["CONTRACT", "rule_table"]

CONTRACT = Path(__file__).resolve().parents[2] / "spec" / "CONTRACT.md"


def rule_table(rule: str) -> list[list[str]]:
    """Return the cells of the table that follows a rule ("V-2"), row by row, without its head."""
    text = CONTRACT.read_text(encoding="utf-8")
    found = re.search(rf"^- \*\*{rule}\*\*.*\n(?:(?!- ).*\n)*?\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert found is not None, f"rule {rule} has no table"
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in found[1].splitlines()]
    return rows[2:]
