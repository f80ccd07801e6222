"""What the tests of factories share."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

import pytest

from tests.integration.envs import MischiefEnv

__all__ = ["ENDS", "Workers", "alive", "both", "lines", "trouble"]

Workers = Literal["thread", "process"]

ENDS = [asyncio.CancelledError, SystemExit, GeneratorExit, KeyboardInterrupt]
"""Exceptions that would end a thread or a process."""

both = pytest.mark.parametrize("workers", ["thread", "process"])


def trouble(word: str) -> int:
    """The action by which a `MischiefEnv` makes a trouble."""
    return MischiefEnv.TROUBLES.index(word)


def lines(note: Path) -> list[list[str]]:
    """What environments wrote into a file."""
    return [line.split() for line in note.read_text().splitlines()] if note.exists() else []


def alive(pid: int) -> bool:
    """Whether a process runs."""
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
