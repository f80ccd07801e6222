"""Leaves: arrays of fixed shape, integers and texts."""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import Any

from rlmesh._codec.base import Node, SlabReader, TupleBatched, are_bools, pack_lengths, spans
from rlmesh._codec.validate import Validator
from rlmesh._elements import is_masked
from rlmesh.backends import ArrayBackend, Buffer, Leaf
from rlmesh.errors import CodecError, InvalidValueError

__all__ = ["ArrayNode", "IntegerNode", "TextNode", "index_of"]


class ArrayNode(Node):
    """An array of fixed shape: Box, MultiBinary, MultiDiscrete; one slab.

    Args:
        leaf: The leaf.
        backend: Backend of its arrays.
        validator: Handler of elements out of bounds.
        categorical: Elements out of bounds have no meaning and are always an error.
        rule: Rule that elements out of bounds break.
    """

    def __init__(
        self,
        leaf: Leaf,
        backend: ArrayBackend,
        validator: Validator,
        categorical: bool,
        rule: str = "F-1",
    ) -> None:
        super().__init__(leaf.path)
        self._leaf = leaf
        self._backend = backend
        self._validator = validator
        self._categorical = categorical
        self._rule = rule
        self._bounded = leaf.low is not None
        self.empty_parts = int(not leaf.nbytes)
        self.slab = leaf.nbytes

    def _bytes(self, value: Any, count: int | None) -> Buffer:
        leaf = self._leaf
        check = self._bounded and (self._categorical or self._validator.wants(leaf.path))
        if count is None:
            data = self._backend.exact_bytes(value, leaf, check)
            if data is not None:
                return data
        array = self._backend.as_leaf(value, leaf, count)
        if check:
            violation = self._backend.violation(array, leaf)
            if violation is not None:
                if self._categorical:
                    raise InvalidValueError(leaf.path, self._expected(), violation)
                self._validator.report(leaf.path, self._expected(), violation)
        return self._backend.to_bytes(array)

    def _array(self, slab: Any, count: int | None, copy: bool) -> Any:
        leaf = self._leaf
        if leaf.dtype.kind == "b":
            if copy:
                slab = bytes(slab)  # What is checked must be what is made: see `SlabReader`.
            if not are_bools(slab):
                strange = bytes(slab).translate(None, b"\0\1")[0]
                raise CodecError.of_rule("V-7", "bytes of 0 or 1", str(strange), path=leaf.path)
        array = self._backend.from_bytes(slab, leaf, count, copy)
        if self._bounded and (self._categorical or self._validator.wants(leaf.path)):
            violation = self._backend.violation(array, leaf)
            if violation is not None:
                if self._categorical or self._validator.level == "strict":
                    expected = self._expected()
                    raise CodecError.of_rule(self._rule, expected, violation, path=leaf.path)
                self._validator.report(leaf.path, self._expected(), violation)
        return array

    def _expected(self) -> str:
        return f"elements within the bounds of {self._leaf.describe(None)}"

    def encode_one(self, value: Any, out: list[Buffer]) -> None:
        """See `Node`."""
        out.append(self._bytes(value, None))

    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """See `Node`."""
        out.append(b"".join([self._bytes(value, None) for value in values]))

    def encode_batches(
        self, batches: Sequence[Any], counts: Sequence[int], out: list[Buffer]
    ) -> None:
        """See `Node`."""
        parts = [self._bytes(batch, n) for batch, n in zip(batches, counts)]
        out.append(parts[0] if len(parts) == 1 else b"".join(parts))

    def decode_one(self, reader: SlabReader) -> Any:
        """See `Node`."""
        return self.decode_slab(reader.take(self.slab, self.path), reader.copy)

    def decode_slab(self, slab: Buffer, copy: bool) -> Any:
        """See `Node`."""
        return self._array(slab, None, copy)

    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """See `Node`."""
        size = self.slab
        slab = memoryview(reader.take(count * size, self.path))
        return [
            self._array(slab[i * size : (i + 1) * size], None, reader.copy) for i in range(count)
        ]

    def decode_batches(self, reader: SlabReader, counts: Sequence[int]) -> list[Any]:
        """See `Node`."""
        size = self.slab
        slab = reader.take(sum(counts) * size, self.path)
        if len(counts) == 1:
            return [self._array(slab, counts[0], reader.copy)]
        view = memoryview(slab)
        return [
            self._array(view[start * size : end * size], end - start, reader.copy)
            for start, end in spans(counts)
        ]

    def batch_length(self, batch: Any) -> int:
        """See `Node`."""
        try:
            return len(batch)
        except TypeError:  # Arrays without a dimension have no length either.
            expected = f"a batch of {self._leaf.describe(None)}"
            raise InvalidValueError(self.path, expected, type(batch).__name__) from None


class IntegerNode(ArrayNode):
    """One integer: Discrete; one slab. One value is the backend's integer, a batch an array."""

    def __init__(
        self, leaf: Leaf, backend: ArrayBackend, validator: Validator, start: int, n: int
    ) -> None:
        super().__init__(leaf, backend, validator, categorical=True, rule="V-8")
        self._range = range(start, start + n)
        self._signed = leaf.dtype.kind == "i"
        self._integer_type = backend.integer_type(leaf.dtype)

    def _expected(self) -> str:
        return f"an integer from {self._range[0]} to {self._range[-1]}"

    def _integer(self, value: Any) -> int:
        number = _whole_number(value)
        if number is None:
            actual = f"{value!r:.60} of type {type(value).__name__}"
            raise InvalidValueError(self.path, self._expected(), actual)
        if number not in self._range:
            raise InvalidValueError(self.path, self._expected(), str(number))
        return number

    def encode_one(self, value: Any, out: list[Buffer]) -> None:
        """See `Node`."""
        out.append(self._integer(value).to_bytes(self.slab, "little", signed=self._signed))

    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """See `Node`."""
        size, signed = self.slab, self._signed
        out.append(
            b"".join([self._integer(v).to_bytes(size, "little", signed=signed) for v in values])
        )

    def decode_slab(self, slab: Buffer, copy: bool) -> Any:
        """See `Node`."""
        number = int.from_bytes(slab, "little", signed=self._signed)
        if number not in self._range:
            raise CodecError.of_rule("V-8", self._expected(), str(number), path=self.path)
        return self._integer_type(number)

    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """See `Node`."""
        slab = bytes(reader.take(count * self.slab, self.path))
        numbers = [int(x) for x in self._leaf.dtype.unpack(slab)]
        for number in numbers:
            if number not in self._range:
                raise CodecError.of_rule("V-8", self._expected(), str(number), path=self.path)
        return list(map(self._integer_type, numbers))


def index_of(value: Any) -> int | None:
    """Return `value` as an int if it is an integer or truth value of any library; else None."""
    if type(value).__name__ == "bool_":
        return int(value)  # NumPy 1 warns of its own as an index.
    try:
        return operator.index(value)
    except TypeError:
        return None


def _whole_number(value: Any) -> int | None:
    """Return `value` as an int if it is one, or a float without a fraction; else None."""
    if type(value) is int:
        return value
    if is_masked(value):
        return None
    index = index_of(value)
    if index is not None:
        return index
    try:
        whole = not isinstance(value, (str, bytes)) and float(value).is_integer()
        return int(value) if whole else None
    except (TypeError, ValueError, OverflowError):
        return None


class TextNode(TupleBatched):
    """A string: two slabs, byte lengths and UTF-8.

    Args:
        path: Path of the space.
        min_length: Fewest characters.
        max_length: Most characters.
        charset: Allowed characters.
        validator: Handler of texts that are too long or have other characters.
    """

    def __init__(
        self, path: str, min_length: int, max_length: int, charset: str, validator: Validator
    ) -> None:
        super().__init__(path)
        self._min_length = min_length
        self._max_length = max_length
        self._charset = frozenset(charset)
        self._validator = validator

    def _violation(self, text: str) -> tuple[str, str] | None:
        """Return the expected and the actual form of a text; None if it belongs to the space."""
        if not self._min_length <= len(text) <= self._max_length:
            expected = f"{self._min_length} to {self._max_length} characters"
            return expected, f"{len(text)} characters"
        if not self._charset.issuperset(text):
            strange = "".join(sorted(set(text) - self._charset))
            return "characters of its charset", repr(strange)
        return None

    def encode_many(self, values: Sequence[Any], out: list[Buffer]) -> None:
        """See `Node`."""
        encoded = []
        for value in values:
            if not isinstance(value, str):
                raise InvalidValueError(self.path, "a str", type(value).__name__)
            if self._validator.wants(self.path):
                violation = self._violation(value)
                if violation is not None:
                    self._validator.report(self.path, *violation)
            try:
                encoded.append(value.encode())
            except UnicodeEncodeError:
                raise InvalidValueError(
                    self.path, "text that UTF-8 can carry", f"a lone surrogate in {value!r}"
                ) from None
        out.append(pack_lengths([len(data) for data in encoded], self.path))
        out.append(b"".join(encoded))

    def decode_many(self, reader: SlabReader, count: int) -> list[Any]:
        """See `Node`."""
        lengths = reader.lengths(count, self.path)
        data = bytes(reader.take(sum(lengths), self.path, "V-9"))
        texts = []
        for start, end in spans(lengths):
            try:
                texts.append(data[start:end].decode())
            except UnicodeDecodeError as error:
                raise CodecError.of_rule("V-9", "UTF-8", str(error), path=self.path) from None
            violation = self._violation(texts[-1]) if self._validator.wants(self.path) else None
            if violation is not None:
                expected, actual = violation
                if self._validator.level == "strict":
                    raise CodecError.of_rule("F-1", expected, actual, path=self.path)
                self._validator.report(self.path, expected, actual)
        return texts
