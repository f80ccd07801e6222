"""The nodes of a compiled plan, and the reader of the slabs of a value."""

from __future__ import annotations

import struct
from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import accumulate
from typing import Any

from rlmesh.backends import Buffer
from rlmesh.errors import CodecError, InvalidValueError

__all__ = ["Node", "SlabReader", "are_bools", "join_batches", "pack_lengths", "spans"]

MAX_VALUES_AT_PATH = 2**24
"""Most values at one place: those of a batch, elements of its sequences, nodes of its graphs."""

MAX_FREE_PARTS = 65_536
"""Maximum number of parts of a value without bytes: an empty dict costs memory too."""

MAX_FREE_PARTS_PER_BYTE = 4
"""Number of such parts that are allowed in addition for each byte of the value."""

_MAX_LENGTH = 2**32 - 1


class SlabReader:
    """Hands out the slabs of one value in order and checks the size of each before it is used.

    The memory may belong to another process, which may write to it at any time. Therefore a slab
    that is read twice is copied first.

    Args:
        slabs: The slabs; in a list, slabs of sizes are replaced by the bytes that were read.
        copy: Whether arrays are copied out of the slabs.
    """

    def __init__(self, slabs: Sequence[Buffer], copy: bool) -> None:
        self.copy = copy
        self._slabs = slabs if isinstance(slabs, list) else list(slabs)
        self._next = 0
        self._free = 0

    def any_size(self, path: str) -> Buffer:
        """Return the next slab, whatever its size."""
        index = self._next
        self._next = index + 1
        try:
            return self._slabs[index]
        except IndexError:
            expected, actual = f"a slab at index {index}", f"{len(self._slabs)} in all"
            raise CodecError.of_rule("V-3", expected, actual, path=path) from None

    def peek(self, path: str) -> bytes:
        """Return a copy of the next slab, without taking it; the copy replaces the slab."""
        index = self._next
        data = self._slabs[index] = bytes(self.any_size(path))
        self._next = index
        return data

    def take(self, size: int, path: str, rule: str = "V-4") -> Buffer:
        """Return the next slab, of exactly `size` bytes, as `rule` requires."""
        index = self._next
        if index < len(self._slabs):
            slab = self._slabs[index]
            if len(slab) == size:
                self._next = index + 1
                return slab
        slab = self.any_size(path)
        expected = f"{size} bytes in slab {index}"
        raise CodecError.of_rule(rule, expected, str(len(slab)), path=path)

    def lengths(self, count: int, path: str) -> tuple[int, ...]:
        """Return the next slab as `count` uint32 lengths."""
        return struct.unpack(f"<{count}I", self.own(4 * count, path))

    def own(self, size: int, path: str) -> bytes:
        """Return a copy of the next slab; the copy replaces the slab for later readers."""
        data = self._slabs[self._next - 1] = bytes(self.take(size, path))
        return data

    def check_count(self, count: int, path: str) -> None:
        """Check the number of values at one position, before any is made."""
        if count > MAX_VALUES_AT_PATH:
            expected = f"at most {MAX_VALUES_AT_PATH} values at one place"
            raise CodecError.of_rule("M-1", expected, str(count), path=path)

    def check_free(self, more: int, path: str) -> None:
        """Check the number of parts without bytes, before more of them are made."""
        self._free += more
        if self._free <= MAX_FREE_PARTS:
            return
        limit = MAX_FREE_PARTS + MAX_FREE_PARTS_PER_BYTE * sum(map(len, self._slabs))
        if self._free > limit:
            expected = f"at most {limit} values without a byte"
            raise CodecError.of_rule("M-8", expected, str(self._free), path=path)

    def finish(self, path: str) -> None:
        """Check that every slab was used."""
        if self._next != len(self._slabs):
            expected, actual = f"{self._next} in all", f"{len(self._slabs)} slabs"
            raise CodecError.of_rule("V-3", expected, actual, path=path)


class Node(ABC):
    """One space of a compiled plan.

    "Many" values are a list of them; a "batch" is the stacked form that a vector environment uses:
    arrays with a leading axis for leaves of fixed shape, dict and tuple of batches, and a tuple of
    values for spaces of variable size.

    Attributes:
        path: Path of the space, for messages.
        parts: Number of objects in a value, without those that the value itself counts.
        empty_parts: Number of them that never have a byte.
        slab: Byte size if each value is exactly one fixed-size slab; -1 otherwise.
    """

    parts = 1
    empty_parts = 0
    slab = -1

    def __init__(self, path: str) -> None:
        self.path = path

    @abstractmethod
    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """Append the node's slabs of all values."""

    @abstractmethod
    def encode_batches(
        self, batches: Sequence[Any], counts: Sequence[int], out: list[Buffer]
    ) -> None:
        """Append the node's slabs of batches of the given lengths, one after another."""

    @abstractmethod
    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """Return the next `count` values."""

    @abstractmethod
    def decode_batches(self, reader: SlabReader, counts: Sequence[int]) -> list[Any]:
        """Return the next batches, of the given lengths."""

    @abstractmethod
    def batch_length(self, batch: Any) -> int | None:
        """Return the number of values in a batch; None if it has no leaves, which would show it.

        Raises:
            InvalidValueError: If it is no batch.
        """

    def encode_one(self, value: Any, out: list[Buffer]) -> None:
        """Append the node's slabs of one value."""
        self.encode_many((value,), out)

    def decode_one(self, reader: SlabReader) -> Any:
        """Return the next value."""
        return self.decode_many(reader, 1)[0]

    def decode_slab(self, slab: Buffer, copy: bool) -> Any:
        """Return the value that one slab of `slab` bytes encodes."""
        raise NotImplementedError


class TupleBatched(Node):
    """A node with a tuple of values as its batch: spaces of variable size."""

    def encode_batches(
        self, batches: Sequence[Any], counts: Sequence[int], out: list[Buffer]
    ) -> None:
        """See `Node`."""
        for batch, count in zip(batches, counts):
            length = self.batch_length(batch)
            if length != count:
                raise InvalidValueError(self.path, f"a tuple of {count} values", f"one of {length}")
        self.encode_many([value for batch in batches for value in batch], out)

    def decode_batches(self, reader: SlabReader, counts: Sequence[int]) -> list[Any]:
        """See `Node`."""
        values = self.decode_many(reader, sum(counts))
        return [tuple(values[start:end]) for start, end in spans(counts)]

    def batch_length(self, batch: Any) -> int:
        """See `Node`."""
        # A text is a sequence too, but of characters.
        is_batch = isinstance(batch, Sequence) and not isinstance(batch, (str, bytes))
        if not is_batch and not getattr(batch, "shape", ()):
            raise InvalidValueError(self.path, "a tuple of values", type(batch).__name__)
        return len(batch)


def spans(counts: Sequence[int]) -> list[tuple[int, int]]:
    """Return start and end of each of several runs, one after another."""
    ends = list(accumulate(counts))
    return list(zip([0, *ends[:-1]], ends))


def are_bools(slab: Buffer) -> bool:
    """Return whether each byte is 0 or 1."""
    # Deleting what is allowed is one C loop over the bytes.
    return not bytes(slab).translate(None, b"\0\1")


def pack_lengths(lengths: Sequence[int], path: str) -> bytes:
    """Return lengths as uint32, little-endian."""
    if any(n > _MAX_LENGTH for n in lengths):
        raise CodecError(f"a length of {max(lengths)} does not fit 32 bits", path=path)
    return struct.pack(f"<{len(lengths)}I", *lengths)


def join_batches(node: Node, batches: Sequence[Any], out: list[Buffer]) -> list[int]:
    """Append the slabs of batches of any length; return their lengths.

    Raises:
        InvalidValueError: If one is no batch.
    """
    counts = [node.batch_length(batch) or 0 for batch in batches]
    node.encode_batches(batches, counts, out)
    return counts
