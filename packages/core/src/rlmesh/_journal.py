"""The journal of a run: a file to which each episode is written as soon as it has ended.

T-6: a journal is a series of records, each between its length and its checksum; the first record is
the header. A run that was cut short for any reason can go on from its journal.
"""

from __future__ import annotations

import io
import os
import sys
import threading
from collections.abc import Generator, Sequence
from contextlib import contextmanager, suppress
from types import TracebackType
from weakref import WeakSet

from rlmesh._wire.journal_records import (
    CHECKSUM_BYTES,
    JournalEntry,
    Record,
    checksum,
    framed,
    read_record,
    write_record,
)
from rlmesh.adapters import Finding
from rlmesh.backends import NATIVE, ArrayBackend
from rlmesh.errors import ClosedError, CodecError, JournalError
from rlmesh.results import EpisodeResult
from rlmesh.results._journal_header import (
    ForcedResume,
    JournalContent,
    JournalHeader,
    RunNotice,
    RunStopped,
)
from rlmesh.results._outputs import check_written_with

if sys.platform != "win32":
    import fcntl

__all__ = ["Journal"]

MAX_RECORD_BYTES = 2**28
"""Largest size of a record, in bytes: M-1 limits a message to 256 MiB."""

MAX_LENGTH_BYTES = 10
"""Largest size of a varint, in bytes."""


class Journal:
    """A journal that is open for appending; made by `create` or `open`.

    Once `append` has returned, the episode survives any end of the process; with `fsync`, it also
    survives the end of the machine. A file belongs to one journal object at a time, which a file
    lock ensures (but not on Windows, nor on file systems without locks). The lock ends with the
    process, however the process ends; a child that was forked meanwhile does not hold it. Several
    threads may append at the same time. As a context manager a journal closes its file.

    Attributes:
        path: Path of the file.
        header: Description of the run.
        content: Records that the file had when it was opened, in the order of the file.
    """

    path: str
    header: JournalHeader
    content: JournalContent

    def __init__(self, path: str, file: io.FileIO, backend: ArrayBackend, fsync: bool) -> None:
        self.path = path
        self.content = JournalContent()
        self._file = file
        self._backend = backend
        self._fsync = fsync
        self._end = 0
        self._sound = True
        self._appending = threading.Lock()
        _open_journals.add(self)

    @property
    def episodes(self) -> tuple[EpisodeResult, ...]:
        """Episodes that the file had when it was opened, in the order of the file."""
        return self.content.episodes

    @classmethod
    def create(
        cls,
        path: str | os.PathLike[str],
        header: JournalHeader,
        *,
        fsync: bool = False,
        backend: ArrayBackend = NATIVE,
    ) -> Journal:
        """Create a new journal that contains only its header.

        Args:
            path: Path of the new file, which must not exist.
            header: Description of the run.
            fsync: Whether each record is flushed to the disk, not only to the system, before
                `append` returns; this costs some milliseconds per record.
            backend: Backend that encodes the arrays of final infos.

        Raises:
            FileExistsError: If the file exists; `open` continues it.
            OSError: If the file cannot be written.
            ValueError: If a number in the header does not fit its field.
        """
        record = framed(write_record(header, backend))
        with cls._opened(path, "x+", backend, fsync) as journal:
            journal._write(record)
            if fsync:
                _sync_folder(journal.path)
        journal.header = header
        return journal

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str],
        header: JournalHeader | None = None,
        *,
        force: bool = False,
        fsync: bool = False,
        backend: ArrayBackend = NATIVE,
    ) -> Journal:
        """Open an existing journal, with the records that it contains.

        A last record that was cut short or damaged is ignored, and is overwritten when the next one
        is appended. The file is not changed before that.

        Args:
            path: Path of the journal.
            header: Description of the run that continues; None: any header is accepted. If it is
                set, a journal with its own header cut short is started again.
            force: Whether a journal with another header is continued too. The differences are then
                written to it at once, if it does not have them.
            fsync: As in `create`.
            backend: Backend that encodes and decodes the arrays of final infos.

        Raises:
            FileNotFoundError: If there is no such file.
            OSError: If the file cannot be read and written.
            JournalError: If the file is not a journal, has a broken record before its last one
                (at `.offset`), was written with an incompatible spec version, is already open, or
                has a header other than `header` and `force` is not set; the message lists the
                fields that differ.
        """
        with cls._opened(path, "r+", backend, fsync) as journal:
            accepted = journal._read(header, force=force)
            if accepted:
                journal.append(ForcedResume(accepted))
        return journal

    @classmethod
    def read(
        cls, path: str | os.PathLike[str], *, backend: ArrayBackend = NATIVE
    ) -> tuple[JournalHeader, JournalContent]:
        """Return header and content of a journal, which a run may be writing at the same time.

        Args:
            path: Path of the journal.
            backend: Backend that makes the arrays of final infos.

        Raises:
            OSError: If the file cannot be read.
            JournalError: If the file is not a journal, has a broken record before its last one, or
                was written with an incompatible spec version.
        """
        filename = os.fspath(path)
        with io.FileIO(filename, "r") as file:
            journal = cls(filename, file, backend, False)
            journal._read(None)
        return journal.header, journal.content

    @classmethod
    @contextmanager
    def _opened(
        cls, path: str | os.PathLike[str], mode: str, backend: ArrayBackend, fsync: bool
    ) -> Generator[Journal, None, None]:
        """Yield a journal of a file, which is closed again if the block fails."""
        filename = os.fspath(path)
        journal = cls(filename, io.FileIO(filename, mode), backend, fsync)
        try:
            _lock(journal._file, filename)
            yield journal
        except BaseException:
            journal.close()
            raise

    def append(self, entry: JournalEntry) -> None:
        """Write an episode, or another record after the header.

        If that fails, such as on a full disk, the next call overwrites what was written of it.

        Args:
            entry: The record.

        Raises:
            ClosedError: If the journal is closed.
            OSError: If the record cannot be written.
            ValueError: If a number in it does not fit its field, or the record is over 256 MiB.
        """
        record = write_record(entry, self._backend)
        if len(record) > MAX_RECORD_BYTES:
            raise ValueError(
                f"expected a record of at most {MAX_RECORD_BYTES} bytes, got {len(record)}; its "
                f"final_info is too large"
            )
        with self._appending:
            if self._file.closed:
                raise ClosedError(f"{self.path}: the journal is closed")
            self._write(framed(record))

    def close(self) -> None:
        """Close the file. Closing it again has no effect."""
        with self._appending:
            self._file.close()

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _write(self, record: bytes) -> None:
        # Bytes after the last whole record are left by a write that failed or was cut short.
        if not self._sound:
            self._file.truncate(self._end)
        self._file.seek(self._end)
        self._sound = False
        rest = memoryview(record)
        while rest:
            rest = rest[self._file.write(rest) :]
        if self._fsync:
            os.fsync(self._file.fileno())
        self._end += len(record)
        self._sound = True

    def _read(self, wanted: JournalHeader | None, *, force: bool = False) -> tuple[str, ...]:
        """Read the file, and return the accepted differences that it does not have yet."""
        data = self._file.readall()
        records = self._records(data)
        if records:
            return self._take(records, wanted, force=force)
        if wanted is None:
            raise JournalError(self.path, "expected a journal, got a file without a header")
        self._begin_anew(data, wanted)
        return ()

    def _records(self, data: bytes) -> list[Record]:
        """Return the records that are whole, and set the position of their end."""
        records: list[Record] = []
        while (found := self._length(data)) is not None:
            start, end = found
            stop = end + CHECKSUM_BYTES
            if stop > len(data):
                break
            record = data[start:end]
            if data[end:stop] != checksum(record):
                if stop == len(data):
                    break  # The last record was cut short; its episode is played again.
                raise self._broken("a record is not what was written: its checksum is wrong")
            try:
                records.append(read_record(record, self._backend))
            except CodecError as error:
                raise self._broken(f"a record is broken: {error}") from None
            self._end = stop
        self._sound = self._end == len(data)
        return records

    def _length(self, data: bytes) -> tuple[int, int] | None:
        """Return start and end of the next record; None if its length is cut short."""
        size = 0
        for i, byte in enumerate(data[self._end : self._end + MAX_LENGTH_BYTES]):
            size |= (byte & 127) << 7 * i
            if byte < 128:
                if size > MAX_RECORD_BYTES:
                    raise self._broken(f"a record has {size} bytes, more than any may have")
                start = self._end + i + 1
                return start, start + size
        if len(data) - self._end >= MAX_LENGTH_BYTES:
            raise self._broken("expected the length of a record, got more than 10 bytes of it")
        return None

    def _take(
        self, records: list[Record], wanted: JournalHeader | None, *, force: bool
    ) -> tuple[str, ...]:
        header, *later = records
        if not isinstance(header, JournalHeader):
            raise JournalError(self.path, "expected a journal, but its first record is no header")
        try:
            check_written_with(header.spec_version)
        except CodecError as error:
            raise JournalError(self.path, str(error)) from None
        found: tuple[str, ...] = ()
        if wanted is not None:
            found = tuple(self._as_written(wanted).differences(header))
            if found and not force:
                raise JournalError(
                    self.path,
                    f"the journal is that of another run: {'; '.join(found)}; use another journal, "
                    f"or force_resume=True (--force) to mix them",
                )
        if any(isinstance(record, JournalHeader) for record in later):
            raise JournalError(self.path, "expected one header, but the journal has another")
        forced = [r.differences for r in later if isinstance(r, ForcedResume)]
        known = tuple(text for differences in forced for text in differences)
        self.header = header
        self.content = JournalContent(
            episodes=tuple(record for record in later if isinstance(record, EpisodeResult)),
            notices=tuple(record for record in later if isinstance(record, RunNotice)),
            resume_differences=tuple(dict.fromkeys((*known, *found))),
            stopped=_stopped(later),
            findings=tuple(record for record in later if isinstance(record, Finding)),
        )
        return tuple(text for text in found if text not in known)

    def _as_written(self, header: JournalHeader) -> JournalHeader:
        """Return the header as it is read back: texts lose what UTF-8 cannot encode."""
        again = read_record(write_record(header, self._backend), self._backend)
        assert isinstance(again, JournalHeader)
        return again

    def _begin_anew(self, data: bytes, header: JournalHeader) -> None:
        """Write the header into a file in which not even the header is whole."""
        record = framed(write_record(header, self._backend))
        if not record.startswith(data):  # The file is something else, and must not be overwritten.
            raise JournalError(self.path, "expected a journal, got a file without a header")
        self._write(record)
        self.header = header

    def _broken(self, message: str) -> JournalError:
        return JournalError(self.path, f"byte {self._end}: {message}", offset=self._end)


_open_journals: WeakSet[Journal] = WeakSet()
"""The journals of this process, of which a child that is forked closes its copies."""


def _close_copies() -> None:
    # A lock belongs to the open file, which a forked child shares: the child would hold the lock
    # after its parent was killed. Closing the child's copy leaves the lock of the parent alone.
    for journal in list(_open_journals):
        with suppress(OSError):
            journal._file.close()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_close_copies)


def _lock(file: io.FileIO, path: str) -> None:
    """Lock the file against other journals until it is closed.

    Raises:
        JournalError: If another journal has locked it.
    """
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise JournalError(
            path, "the journal is open already, here or in another process"
        ) from None
    except OSError:
        return  # The file system has no locks.


def _sync_folder(path: str) -> None:
    """Flush the folder to the disk, so that the name of a new file survives too."""
    if sys.platform == "win32":
        return
    folder = os.open(os.path.dirname(path) or ".", os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _stopped(records: Sequence[Record]) -> RunStopped | None:
    """Return how a rule has stopped the run, unless the run was resumed by force after that."""
    for record in reversed(records):
        if isinstance(record, ForcedResume):
            return None
        if isinstance(record, RunStopped):
            return record
    return None
