"""Journals: what was written is there, wherever the file or the process was cut."""

from __future__ import annotations

import os
import random
import signal
import sys
import threading
import time
import zlib
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from rlmesh_proto.eval.v1 import result_pb2

from rlmesh._journal import Journal
from rlmesh.errors import ClosedError, JournalError
from rlmesh.results import EpisodeEnd, EpisodeFailure, EpisodeResult, RunSettings
from rlmesh.results._journal_header import JournalHeader
from tests.processes import finished, running, until

HEADER = JournalHeader("modél", ("A-v0", "B-v0"), (3, 1, 2**64 - 1), 5, "pick it up")


def episode(index: int) -> EpisodeResult:
    """An episode with its position in every field, in records of many lengths."""
    return EpisodeResult(
        index=index,
        seed=index * 1000,
        reward=index / 7,
        steps=index,
        end=EpisodeEnd.ERROR if index % 2 else EpisodeEnd.TERMINATED,
        seconds=index / 3,
        error=EpisodeFailure(f"error {index}") if index % 2 else None,
        final_info={"n": index, "more": "x" * (index * 37 % 300)},
    )


EPISODES = tuple(map(episode, range(4)))


def written(path: Path, count: int = len(EPISODES)) -> Path:
    with Journal.create(path, HEADER) as journal:
        for one in EPISODES[:count]:
            journal.append(one)
    return path


def read(path: Path, header: JournalHeader | None = HEADER) -> tuple[EpisodeResult, ...]:
    with Journal.open(path, header) as journal:
        return journal.episodes


def test_what_is_written_is_read(tmp_path: Path) -> None:
    with Journal.open(written(tmp_path / "j")) as journal:
        assert (journal.header, journal.episodes) == (HEADER, EPISODES)
        assert journal.path == str(tmp_path / "j")
        journal.append(episode(4))
    assert read(tmp_path / "j") == (*EPISODES, episode(4))


def test_the_file_is_as_the_contract_says(tmp_path: Path) -> None:
    data = written(tmp_path / "j").read_bytes()
    records = []
    while data:
        size, used = data[0] & 127, 1
        if data[0] > 127:
            size, used = size | data[1] << 7, 2
        record, data = data[used : used + size], data[used + size :]
        records.append(result_pb2.JournalRecord.FromString(record))
        assert int.from_bytes(data[:4], "little") == zlib.crc32(record)
        data = data[4:]
    assert records[0].header.env_ids == ["A-v0", "B-v0"]
    assert [record.episode.index for record in records[1:]] == [0, 1, 2, 3]


def test_cut_at_every_byte(tmp_path: Path) -> None:
    """Every whole record is there, the next one goes on after it, and nothing else changes."""
    ends = [len(written(tmp_path / f"{count}", count).read_bytes()) for count in range(5)]
    data = (tmp_path / "4").read_bytes()
    with Journal.open(tmp_path / "0") as journal:
        journal.append(episode(9))
    ninth = (tmp_path / "0").read_bytes()[ends[0] :]
    path = tmp_path / "cut"
    for size in range(len(data) + 1):
        path.write_bytes(data[:size])
        whole = sum(end <= size for end in ends) - 1
        if whole < 0:
            with pytest.raises(JournalError, match="a file without a header"):
                read(path, None)
        with Journal.open(path, HEADER) as journal:
            assert journal.episodes == EPISODES[: max(whole, 0)]
            if whole >= 0:
                assert path.read_bytes() == data[:size]  # Untouched until there is more.
            journal.append(episode(9))
        assert read(path) == (*EPISODES[: max(whole, 0)], episode(9))
        assert path.read_bytes() == data[: ends[max(whole, 0)]] + ninth


def test_another_file_is_not_overwritten(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    for content in (b"\x7fnot a journal", b"\xff", written(tmp_path / "j").read_bytes()[1:9]):
        path.write_bytes(content)
        with pytest.raises(JournalError, match="without a header"):
            Journal.open(path, HEADER)
        assert path.read_bytes() == content
    with pytest.raises(FileExistsError):
        Journal.create(path, HEADER)
    with pytest.raises(FileNotFoundError):
        Journal.open(tmp_path / "none", HEADER)
    assert not (tmp_path / "none").exists()


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_id": "x"}, "another run: model_id: expected 'x', got 'modél'; use"),
        ({"env_ids": ("A-v0",)}, "another run: env_ids: expected 1 of them, got 2; use"),
        ({"seeds": (3, 2, 7)}, r"seeds: expected 2 at place 1, got 1; use"),
        ({"episodes": 6}, "episodes: expected 6, got 5; use"),
        ({"instruction": None}, "instruction: expected None, got 'pick it up'; use"),
        (
            {"settings": RunSettings(max_episode_steps=9, seeded=True)},
            "max_episode_steps: expected 9, got None; seeded: expected True, got False; use",
        ),
        ({"episodes": 6, "model_id": ""}, "model_id: expected '', .*; episodes: expected 6"),
    ],
)
def test_the_journal_of_another_run_is_refused(
    tmp_path: Path, changes: dict[str, Any], words: str
) -> None:
    path = written(tmp_path / "j")
    with pytest.raises(JournalError, match=words) as caught:
        Journal.open(path, replace(HEADER, **changes))
    assert caught.value.path == str(path) and str(path) in str(caught.value)
    assert read(path) == EPISODES


def test_a_header_is_compared_as_it_is_written(tmp_path: Path) -> None:
    header = replace(HEADER, model_id="caf\udce9")
    Journal.create(tmp_path / "j", header).close()
    with Journal.open(tmp_path / "j", header) as journal:
        assert journal.header.model_id == "caf\\udce9"


def test_a_journal_of_another_version(tmp_path: Path) -> None:
    path = tmp_path / "j"
    Journal.create(path, replace(HEADER, spec_version="999.0.0")).close()
    for header in (HEADER, None):
        with pytest.raises(JournalError, match=r"j: spec_version: .* got '999\.0\.0'"):
            Journal.open(path, header)


def framed(record: bytes) -> bytes:
    assert len(record) < 128
    return bytes([len(record)]) + record + zlib.crc32(record).to_bytes(4, "little")


@pytest.mark.parametrize(
    ("more", "words"),
    [
        (framed(b"\xff\xff"), "a record is broken: G-1: not a .*JournalRecord"),
        (framed(b"\x12\x00"), "a record is broken: episode.end: "),
        (b"\xff" * 10, "expected the length of a record"),
        (b"\x80\x80\x80\x80\x04", "a record has 1073741824 bytes, more than any may have"),
    ],
)
def test_a_broken_record_is_told_with_its_place(tmp_path: Path, more: bytes, words: str) -> None:
    path = written(tmp_path / "j")
    size = path.stat().st_size
    path.write_bytes(path.read_bytes() + more + framed(b"\x12\x00"))
    with pytest.raises(JournalError, match=f"byte {size}: .*{words}") as caught:
        Journal.open(path, HEADER)
    assert caught.value.offset == size
    assert path.stat().st_size == size + len(more) + 7


def test_no_flipped_bit_changes_a_result(tmp_path: Path) -> None:
    data = written(tmp_path / "j").read_bytes()
    path = tmp_path / "flipped"
    for place in range(len(data)):
        flipped = bytearray(data)
        flipped[place] ^= 1 << place % 8
        path.write_bytes(flipped)
        try:
            episodes = read(path, None)
        except JournalError:
            continue
        # What follows a length that is too large, and a last record, is played again.
        assert episodes == EPISODES[: len(episodes)] and len(episodes) < len(EPISODES)


def test_a_damaged_last_record_is_written_anew(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    data = path.read_bytes()
    path.write_bytes(data[:-10] + bytes(10))
    with Journal.open(path, HEADER) as journal:
        assert journal.episodes == EPISODES[:-1]
        journal.append(EPISODES[-1])
    assert path.read_bytes() == data


def test_records_of_a_newer_spec_are_skipped(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    data = path.read_bytes() + framed(b"\xf8\x07\x01") + framed(b"")
    path.write_bytes(data)
    with Journal.open(path, HEADER) as journal:
        journal.append(episode(4))
    assert read(path) == (*EPISODES, episode(4)) and path.read_bytes().startswith(data)


def test_one_header_and_that_first(tmp_path: Path) -> None:
    data = written(tmp_path / "j", 0).read_bytes()
    path = tmp_path / "odd"
    path.write_bytes(data * 2)
    with pytest.raises(JournalError, match="expected one header"):
        Journal.open(path)
    path.write_bytes(written(tmp_path / "k", 1).read_bytes()[len(data) :])
    with pytest.raises(JournalError, match="its first record is no header"):
        Journal.open(path)


@pytest.mark.skipif(sys.platform == "win32", reason="no locks of files there")
def test_one_at_a_time(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    with Journal.open(path), pytest.raises(JournalError, match="is open already"):
        Journal.open(path)
    assert read(path) == EPISODES


def test_a_closed_journal_takes_nothing(tmp_path: Path) -> None:
    journal = Journal.open(written(tmp_path / "j"))
    journal.close()
    journal.close()
    with pytest.raises(ClosedError, match="the journal is closed"):
        journal.append(episode(4))
    assert read(tmp_path / "j") == EPISODES


def test_an_episode_that_cannot_be_written_leaves_no_trace(tmp_path: Path) -> None:
    with Journal.open(written(tmp_path / "j")) as journal:
        with pytest.raises(ValueError, match=r"episode\.seed: expected 0 to"):
            journal.append(replace(episode(4), seed=-1))
        journal.append(episode(4))
    assert read(tmp_path / "j") == (*EPISODES, episode(4))


@pytest.mark.parametrize("fsync", [False, True])
def test_fsync_is_done_before_the_call_returns(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fsync: bool
) -> None:
    path = tmp_path / "j"
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda _: sizes.append(path.stat().st_size))
    with Journal.create(path, HEADER, fsync=fsync) as journal:
        created = path.stat().st_size
        journal.append(episode(0))
    ended = path.stat().st_size
    folder = [] if sys.platform == "win32" else [created]  # For the file's name.
    assert sizes == ([created, *folder, ended] if fsync else [])


def test_threads_may_append(tmp_path: Path) -> None:
    with Journal.create(tmp_path / "j", HEADER, fsync=True) as journal:

        def work(place: int) -> None:
            for i in range(50):
                journal.append(episode(place + i))

        threads = [threading.Thread(target=work, args=(100 * i,)) for i in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
    found = {one.index: one for one in read(tmp_path / "j")}
    assert found == {i: episode(i) for k in range(4) for i in range(100 * k, 100 * k + 50)}


FULL_DISK = """
import resource, sys
from rlmesh._journal import Journal
sys.path.insert(0, {folder!r})
from test_results_journal import HEADER, episode
journal = Journal.open({path!r}, HEADER)
import os
size = os.stat({path!r}).st_size
resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, resource.RLIM_INFINITY))
try:
    journal.append(episode(4))
except OSError as error:
    print("refused", os.stat({path!r}).st_size - size)
resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
journal.append(episode(5))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
def test_a_full_disk(tmp_path: Path) -> None:
    """What was written of an episode goes with the next one, which is whole."""
    path = written(tmp_path / "j")
    code = FULL_DISK.format(path=str(path), folder=str(Path(__file__).parent))
    done = finished(["-c", code])
    assert (done.returncode, done.stdout) == (0, "refused 20\n"), done.stderr
    assert read(path) == (*EPISODES, episode(5))


WRITER = """
import sys
from rlmesh._journal import Journal
sys.path.insert(0, {folder!r})
from test_results_journal import HEADER, episode
with Journal.{how}({path!r}, HEADER) as journal:
    index = {start}
    while True:
        journal.append(episode(index))
        print(index)
        index += 1
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL there")
def test_killed_in_the_middle(tmp_path: Path) -> None:
    """A run that is killed again and again has each episode that was reported as written."""
    path = tmp_path / "j"
    source = random.Random(1)
    known: tuple[EpisodeResult, ...] = ()
    for turn in range(5):
        code = WRITER.format(
            how="open" if turn else "create",
            path=str(path),
            folder=str(Path(__file__).parent),
            start=len(known),
        )
        with running(["-c", code]) as writer:
            writer.wait_for(r"\d+\n")
            time.sleep(source.uniform(0.0, 0.05))
            writer.stop(signal.SIGKILL)
            told = [int(line) for line in writer.output.splitlines(keepends=True) if "\n" in line]
        # The kernel frees the lock a moment after the process is gone.
        episodes = until(lambda: _read_when_free(path), 10)
        assert len(episodes) > told[-1] >= len(known)
        assert episodes == tuple(map(episode, range(len(episodes))))
        assert episodes[: len(known)] == known
        known = episodes


CHILD = """
import os, sys, time
from rlmesh._journal import Journal
sys.path.insert(0, {folder!r})
from test_results_journal import HEADER
journal = Journal.open({path!r}, HEADER)
ready, told = os.pipe()
child = os.fork()
if child == 0:
    os.write(told, b"x")
    time.sleep(60)
    os._exit(0)
os.read(ready, 1)
print("forked", child, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork there")
def test_a_child_that_outlives_a_killed_run_does_not_hold_its_journal(tmp_path: Path) -> None:
    path = written(tmp_path / "j")
    code = CHILD.format(path=str(path), folder=str(Path(__file__).parent))
    with running(["-c", code]) as run:
        child = int(run.wait_for(r"forked (\d+)\n")[1])
        try:
            with pytest.raises(JournalError, match="is open already"):
                read(path)
            run.stop(signal.SIGKILL)
            assert until(lambda: _read_when_free(path), 10) == EPISODES
        finally:
            os.kill(child, signal.SIGKILL)


def _read_when_free(path: Path) -> tuple[EpisodeResult, ...]:
    try:
        return read(path)
    except JournalError as error:
        if "open already" not in str(error):
            raise
        return ()
