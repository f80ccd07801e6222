"""Journals of runs (T-6): whole ones, and ones with a broken last record."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from rlmesh_proto.eval.v1 import result_pb2

from ..transcripts import peer

__all__ = ["JOURNALS", "JournalFile"]


@dataclass(frozen=True)
class JournalFile:
    """A journal.

    Attributes:
        name: Unique name.
        records: Records that a reader finds, in order.
        data: Bytes of the file.
    """

    name: str
    records: tuple[result_pb2.JournalRecord, ...]
    data: bytes


def framed(record: result_pb2.JournalRecord) -> bytes:
    """Return a record of less than 128 bytes between its length and its checksum."""
    data = record.SerializeToString(deterministic=True)
    if len(data) >= 128:
        raise ValueError(f"a record of {len(data)} bytes; its length has one byte up to 127")
    return bytes([len(data)]) + data + zlib.crc32(data).to_bytes(4, "little")


def _journals() -> Iterator[JournalFile]:
    header = result_pb2.JournalRecord()
    header.header.spec_version, header.header.model_id = peer().spec_version, "sum"
    header.header.env_ids.append("Count")
    header.header.seeds.extend((7, 8))
    header.header.episodes = 2
    records = [header]
    for index, (seed, reward) in enumerate(((7, 3.0), (8, 2.0))):
        record = result_pb2.JournalRecord()
        episode = record.episode
        episode.index, episode.seed, episode.reward, episode.steps = index, seed, reward, 3
        episode.end = result_pb2.EPISODE_END_TERMINATED
        episode.success = True
        episode.timing.SetInParent()
        records.append(record)
    data = [framed(record) for record in records]
    yield JournalFile("two episodes", tuple(records), b"".join(data))
    yield JournalFile("the header alone", (header,), data[0])
    two = tuple(records[:2])
    cut, wrong = data[2][:-7], data[2][:-1] + bytes([data[2][-1] ^ 1])
    yield JournalFile("a last record that is cut short", two, b"".join((*data[:2], cut)))
    yield JournalFile("a last record with a wrong checksum", two, b"".join((*data[:2], wrong)))


JOURNALS = tuple(_journals())
