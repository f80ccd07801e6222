"""Journals of another run that are continued, and records that are no episodes."""

from __future__ import annotations

import zlib
from dataclasses import replace
from pathlib import Path

import pytest

from rlmesh._journal import Journal
from rlmesh.errors import JournalError
from rlmesh.results import EpisodeEnd, EpisodeResult
from rlmesh.results._journal_header import ForcedResume, JournalHeader, RunNotice

HEADER = JournalHeader("model", ("A-v0",), (3, 1), 5)
EPISODES = (EpisodeResult(0, 3, 1.0, 2, EpisodeEnd.TERMINATED),)


def written(path: Path) -> Path:
    with Journal.create(path, HEADER) as journal:
        journal.append(EPISODES[0])
    return path


def framed(record: bytes) -> bytes:
    return bytes([len(record)]) + record + zlib.crc32(record).to_bytes(4, "little")


def test_a_journal_of_another_run_that_is_forced_keeps_what_differs(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    other = replace(HEADER, episodes=6)
    for _ in range(2):  # The second time, the journal has the difference already.
        with Journal.open(path, other, force=True) as journal:
            assert journal.content.resume_differences == ("episodes: expected 6, got 5",)
            assert journal.header == HEADER
    record = framed(b"\x22\x1d\x0a\x1bepisodes: expected 6, got 5")
    assert path.read_bytes() == written(tmp_path / "k").read_bytes() + record
    with pytest.raises(JournalError, match="episodes: expected 6, got 5; use another journal"):
        Journal.open(path, other)


def test_notices_and_forced_resumptions_are_records_too(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    with Journal.open(path, HEADER) as journal:
        for entry in (RunNotice("kind", 2), ForcedResume(("a", "b")), ForcedResume(("b", "c"))):
            journal.append(entry)
    with Journal.open(path, HEADER) as journal:
        assert journal.content.notices == (RunNotice("kind", 2),)
        assert journal.content.resume_differences == ("a", "b", "c")
        assert journal.episodes == EPISODES
