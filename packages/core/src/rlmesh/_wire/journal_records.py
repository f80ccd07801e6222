"""Records of a journal, each after its length (T-6) <-> their messages and bytes."""

from __future__ import annotations

import zlib
from typing import Union

from rlmesh_proto.eval.v1 import result_pb2

from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.field_writer import varint
from rlmesh._wire.parsing import parse_message
from rlmesh._wire.results import (
    read_episode,
    read_finding,
    read_stopping,
    write_episode,
    write_finding,
    write_stopping,
)
from rlmesh._wire.run_settings import (
    settings_from_wire,
    settings_to_wire,
    unsigned,
    utf8_text,
)
from rlmesh.adapters import Finding
from rlmesh.backends import ArrayBackend
from rlmesh.results import EpisodeResult
from rlmesh.results._journal_header import ForcedResume, JournalHeader, RunNotice, RunStopped

__all__ = [
    "CHECKSUM_BYTES",
    "JournalEntry",
    "Record",
    "checksum",
    "framed",
    "read_record",
    "write_record",
]

JournalEntry = Union[JournalHeader, EpisodeResult, RunNotice, ForcedResume, RunStopped, Finding]
"""A record of a journal that is written."""

Record = Union[JournalEntry, None]
"""A record of a journal that is read; None: one of a newer spec."""

CHECKSUM_BYTES = 4
"""What stands behind each record of a journal."""


def write_record(record: JournalEntry, backend: ArrayBackend) -> bytes:
    """Return the bytes of a record, without its length.

    Raises:
        ValueError: If a number does not fit its field.
    """
    message = result_pb2.JournalRecord()
    if isinstance(record, JournalHeader):
        _write_header(record, message.header)
    elif isinstance(record, RunNotice):
        message.notice.kind = utf8_text(record.kind)
        message.notice.count = unsigned(record.count, "count")
    elif isinstance(record, ForcedResume):
        message.forced_resume.SetInParent()
        message.forced_resume.differences.extend(map(utf8_text, record.differences))
    elif isinstance(record, RunStopped):
        message.stopped.episodes = unsigned(record.episodes, "episodes")
        write_stopping(record.stopping, message.stopped.stopping)
    elif isinstance(record, Finding):
        write_finding(record, message.finding)
    else:
        write_episode(record, message.episode, DynamicEncoder(backend), "episode")
    return message.SerializeToString(deterministic=True)


def framed(record: bytes) -> bytes:
    """Return a record between its length and its checksum, as it stands in a journal (T-6)."""
    return varint(len(record)) + record + checksum(record)


def checksum(record: bytes) -> bytes:
    """Return the CRC-32 of a record."""
    return zlib.crc32(record).to_bytes(CHECKSUM_BYTES, "little")


def read_record(data: bytes, backend: ArrayBackend) -> Record:
    """Return the record of its bytes, without its length.

    Raises:
        CodecError: If it is not one, or breaks a rule of the contract.
    """
    message = result_pb2.JournalRecord()
    parse_message(message, data)
    kind = message.WhichOneof("record")
    if kind == "episode":
        return read_episode(message.episode, backend, "episode")
    if kind == "notice":
        return RunNotice(message.notice.kind, message.notice.count)
    if kind == "forced_resume":
        return ForcedResume(tuple(message.forced_resume.differences))
    if kind == "stopped":
        return RunStopped(message.stopped.episodes, read_stopping(message.stopped.stopping))
    if kind == "finding":
        return read_finding(message.finding)
    return _read_header(message.header) if kind == "header" else None


def _write_header(header: JournalHeader, out: result_pb2.JournalHeader) -> None:
    out.spec_version = header.spec_version
    out.model_id = utf8_text(header.model_id)
    out.env_ids.extend(map(utf8_text, header.env_ids))
    out.seeds.extend(unsigned(seed, f"seeds[{i}]") for i, seed in enumerate(header.seeds))
    out.episodes = unsigned(header.episodes, "episodes")
    if header.instruction is not None:
        out.instruction = utf8_text(header.instruction)
    settings_to_wire(header.settings, out.settings)
    out.SetInParent()


def _read_header(message: result_pb2.JournalHeader) -> JournalHeader:
    return JournalHeader(
        model_id=message.model_id,
        env_ids=tuple(message.env_ids),
        seeds=tuple(message.seeds),
        episodes=message.episodes,
        instruction=message.instruction if message.HasField("instruction") else None,
        spec_version=message.spec_version,
        settings=settings_from_wire(message.settings),
    )
