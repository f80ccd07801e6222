"""What all spaces are, and the leaves: arrays of numbers, integers and texts (S-1 to S-10)."""

from typing import Any, Callable, Iterable, List, Sequence, Tuple

import numpy as np

from rlmesh_thin.dtypes import INTEGERS, check_dtype, converted, raw_bytes, widened
from rlmesh_thin.faults import LIMIT_EXCEEDED, MALFORMED, MAX_MESSAGE_BYTES, Fault, check_extents
from rlmesh_thin.slabs import SlabReader, broken, check_place
from rlmesh_thin.wire import field_blob, field_uint, varint

__all__ = [
    "Numbers",
    "Space",
    "Text",
    "box",
    "decode_values",
    "discrete",
    "encode_values",
    "multi_binary",
    "multi_discrete",
]

MAX_DIMENSIONS = 31


class Space:
    """A set of values, and the codec of its values.

    Args:
        path: Path of its values, from `observation` or `action` on (X-6).
        proto: The encoded message Space.
        children: The spaces in it.
        own_slabs: Number of slabs of its own (V-2).

    Attributes:
        slab_count: Number of slabs of a value (V-3).
        leaf_count: Number of leaves in it.
        space_count: Number of spaces in it, itself included.
        depth: Depth of the spaces in it, 1 for a leaf.
        is_free: Whether a value has no byte, by its space alone (M-8).
        free_count: Number of parts of a value that have no byte.
        part_count: Number of parts that an empty stack of values has.
        bounded: Whether values may be outside of the space although they can be sent (F-1).
    """

    def __init__(
        self, path: str, proto: bytes, children: Sequence[Any] = (), own_slabs: int = 1
    ) -> None:
        self.path = path
        self.proto = proto
        self.children = list(children)
        self.slab_count = own_slabs + sum(c.slab_count for c in children)
        self.leaf_count = sum(c.leaf_count for c in children) or (1 if own_slabs else 0)
        self.space_count = 1 + sum(c.space_count for c in children)
        self.depth = 1 + max([c.depth for c in children] or [0])
        self.is_free = False
        self.free_count = 0
        self.part_count = 1
        self.bounded = any(c.bounded for c in children)

    def encode(self, values: List[Any], slabs: List[Any]) -> None:
        """Append the slabs of values.

        Args:
            values: Values of the space, in the form that the environment has them.
            slabs: List that the slabs are appended to.

        Raises:
            Fault: With ERROR_CODE_INVALID_VALUE, if one cannot be sent.
        """
        raise NotImplementedError

    def decode(self, slabs: SlabReader, count: int) -> List[Any]:
        """Return so many values, in the form that an environment takes them.

        Raises:
            Fault: If a slab breaks a rule of §12.
        """
        raise NotImplementedError

    def decode_one(self, slabs: Sequence[Any]) -> Any:
        """Return the value of slabs that hold one; see `decode`."""
        return decode_values(self, slabs, 1)[0]

    def parts(self, value: Any) -> Iterable[Tuple[Any, Any]]:
        """Return the spaces and values that a value of a space of spaces is made of."""
        return ()

    def report(self, value: Any, add: Callable[[str, str], None]) -> None:
        """Call `add` with path and message for each part of a value that does not conform (F-1)."""
        for child, part in self.parts(value):
            if child.bounded:
                child.report(part, add)


def encode_values(space: Space, values: List[Any]) -> List[Any]:
    """Return the slabs of values; see `Space.encode`."""
    slabs: List[Any] = []
    space.encode(values, slabs)
    return slabs


def decode_values(space: Space, slabs: Sequence[Any], count: int) -> List[Any]:
    """Return the values of slabs; see `Space.decode`."""
    reader = SlabReader(slabs)
    check_place(count, space.path)
    reader.count_free(count * space.free_count, space.path)
    values = space.decode(reader, count)
    reader.end(space.path)
    return values


class Numbers(Space):
    """Arrays of numbers of one shape and dtype; or, for Discrete, integers.

    Args:
        path: See `Space`.
        proto: See `Space`.
        low: The smallest values, in an array of the shape or of one element.
        high: The largest ones.
        number: Number of the dtype.
        shape: Extents.
        strict: Whether numbers beyond these must not be sent (V-7, V-8).
        scalar: Whether a value is an `int`.
    """

    def __init__(
        self,
        path: str,
        proto: bytes,
        low: Any,
        high: Any,
        number: int,
        shape: Tuple[int, ...],
        strict: bool = True,
        scalar: bool = False,
    ) -> None:
        super().__init__(path, proto)
        self.dtype, self.shape, self._number = low.dtype, shape, number
        self._count = check_extents(shape, self.dtype.itemsize, MAX_DIMENSIONS, path)
        ends = [end.reshape(()) if end.size == 1 else end for end in (low, high)]
        self._low, self._high = (widened(end, number) for end in ends)
        self._strict, self._scalar = strict, scalar
        self._range = (int(low), int(high)) if scalar else (0, 0)
        self.is_free = not self._count
        self.free_count = int(self.is_free)
        self.bounded = not strict and not self.is_free and not self._is_whole_range()

    def _is_whole_range(self) -> bool:
        """Return whether every number of the dtype is within the bounds; NaN is in none."""
        if self._number == 1:
            return not self._low.any() and bool(self._high.all())
        if self._number not in INTEGERS:
            return False
        info = np.iinfo(self.dtype)
        return bool((self._low == info.min).all() and (self._high == info.max).all())

    def encode(self, values: List[Any], slabs: List[Any]) -> None:
        """See `Space`."""
        arrays = []
        for value in values:
            try:
                arrays.append(converted(value, self._number, self.dtype, self.shape))
            except ValueError as error:
                raise broken(self.path, "F-6", *error.args) from None
            if self._strict:
                self._check(arrays[-1])
        if self._count * self.dtype.itemsize * len(arrays) > MAX_MESSAGE_BYTES:
            raise Fault(
                LIMIT_EXCEEDED, "M-1: a leaf of over %d bytes" % MAX_MESSAGE_BYTES, self.path
            )
        slabs.append(raw_bytes(arrays[0]) if len(arrays) == 1 else b"".join(map(raw_bytes, arrays)))

    def decode_one(self, slabs: Sequence[Any]) -> Any:
        """See `Space`."""
        if self._scalar and len(slabs) == 1 and len(slabs[0]) == self.dtype.itemsize:
            value = int.from_bytes(slabs[0], "little", signed=self.dtype.kind == "i")
            if self._range[0] <= value <= self._range[1]:
                return value
        return super().decode_one(slabs)

    def decode(self, slabs: SlabReader, count: int) -> List[Any]:
        """See `Space`."""
        slab = slabs.take(count * self._count * self.dtype.itemsize, self.path)
        if not len(slab):
            return [np.empty(self.shape, self.dtype) for _ in range(count)]
        bad = bytes(slab).translate(None, b"\0\1") if self._number == 1 else b""
        if bad:
            raise broken(self.path, "V-7", "bools of 0 or 1", "the byte %d" % bad[0])
        array = np.ndarray((count,) + self.shape, self.dtype, slab).copy()
        if self._strict:
            self._check(array)
        return array.tolist() if self._scalar else [array[at, ...] for at in range(count)]

    def _outside(self, array: Any) -> Any:
        """Return the first element that is not within the bounds, in an array; or nothing."""
        array = widened(array, self._number)
        inside = (array >= self._low) & (array <= self._high)
        # Of a few elements, the bytes are looked at faster than `all` is called.
        fits = inside.all() if inside.size > 1000 else b"\0" not in inside.tobytes()
        return () if fits else array[~inside].reshape(-1)[:1]

    def _check(self, array: Any) -> None:
        for bad in self._outside(array):
            expected = "integers of %s to %s" % (self._low, self._high)
            raise broken(self.path, "V-8", expected[:200], str(bad))

    def report(self, value: Any, add: Callable[[str, str], None]) -> None:
        """See `Space`."""
        for bad in self._outside(converted(value, self._number, self.dtype, self.shape)):
            add(self.path, "expected a value within the bounds of the space, got %s" % bad)


def _shape_field(number: int, shape: Sequence[int]) -> bytes:
    return field_blob(number, b"".join(map(varint, shape))) if len(shape) else b""


def box(
    path: str, number: int, shape: Tuple[int, ...], low: Any, high: Any, marks: Any = (b"", b"")
) -> Space:
    """Return the space of a Box.

    Args:
        path: See `Space`.
        number: Number of the dtype.
        shape: Extents.
        low: Lower bounds, in an array of the dtype, of the shape or of one element.
        high: Upper bounds.
        marks: For each of them the bytes of `Bounds.unbounded` (S-16).

    Raises:
        Fault: If a rule of §11 is broken.
    """
    dtype = check_dtype(number, path)
    count = check_extents(shape, dtype.itemsize, MAX_DIMENSIONS, path)
    data = field_uint(1, number) + _shape_field(2, shape)
    wide = [widened(end, number) for end in (low, high)]
    if any((end != end).any() for end in wide) or (count and (wide[0] > wide[1]).any()):
        raise Fault(MALFORMED, "S-6: expected low <= high, and no NaN, for each element", path)
    for at, (end, mark) in enumerate(zip((low, high), marks)):
        raw, size = end.tobytes(), dtype.itemsize
        if mark:
            limit = (
                (np.iinfo(dtype).max if at else np.iinfo(dtype).min) if number in INTEGERS else None
            )
            marked = np.frombuffer(mark, "u1").astype(bool)
            marked = marked.reshape(end.shape) if marked.size == end.size else marked
            if limit is None or len(mark) not in (1, count) or (marked & (end != limit)).any():
                raise Fault(MALFORMED, "S-16: a marked bound is not the limit of %s" % dtype, path)
        if count and raw == raw[:size] * (len(raw) // size):
            bounds = field_blob(1, raw[:size])
        else:
            bounds = field_blob(2, raw if count else b"")
        if count and any(mark):
            bounds += field_blob(3, b"\1" if all(mark) else mark)
        data += field_blob(3 + at, bounds)
    return Numbers(path, field_blob(1, data), low, high, number, shape, strict=False)


def discrete(path: str, number: int, n: int, start: int = 0) -> Space:
    """Return the space of a Discrete of the integers from start to start + n - 1 (S-7)."""
    dtype = check_dtype(number, path, integers=True)
    info = np.iinfo(dtype)
    if n < 1 or not info.min <= start <= start + n - 1 <= info.max:
        text = "S-7: expected n >= 1 and start + n - 1 within %s, got n %d, start %d"
        raise Fault(MALFORMED, text % (dtype, n, start), path)
    low, high = np.array(start, dtype), np.array(start + n - 1, dtype)
    data = (
        field_uint(1, number) + field_uint(2, n) + (field_blob(3, low.tobytes()) if start else b"")
    )
    return Numbers(path, field_blob(2, data), low, high, number, (), scalar=True)


def multi_binary(path: str, shape: Tuple[int, ...], flat: bool) -> Space:
    """Return the space of a MultiBinary, declared by a length if `flat` (S-8)."""
    if not shape or (flat and len(shape) != 1):
        text = "S-8: expected 1 dimension if flat, else 1 or more, got %d" % len(shape)
        raise Fault(MALFORMED, text, path)
    data = _shape_field(1, shape) + (b"\x10\1" if flat else b"")
    return Numbers(path, field_blob(3, data), np.zeros((), "i1"), np.ones((), "i1"), 2, shape)


def multi_discrete(path: str, number: int, nvec: Any, start: Any) -> Space:
    """Return the space of a MultiDiscrete: arrays of numbers of choices and smallest ones (S-9)."""
    dtype = check_dtype(number, path, integers=True)
    check_extents(nvec.shape, dtype.itemsize, MAX_DIMENSIONS, path)
    most = np.iinfo(dtype).max
    if (nvec < 1).any() or (
        nvec - 1 > np.where(start > 0, most - np.maximum(start, 0), most)
    ).any():
        text = "S-9: expected nvec >= 1 and start + nvec - 1 within %s" % dtype
        raise Fault(MALFORMED, text, path)
    data = field_uint(1, number) + _shape_field(2, nvec.shape)
    data += field_blob(3, nvec.tobytes()) if nvec.size else b""
    data += field_blob(4, start.tobytes()) if start.any() else b""
    high = (start + (nvec - 1)).astype(dtype)
    return Numbers(path, field_blob(4, data), start, high, number, nvec.shape)


class Text(Space):
    """Strings of a range of lengths over a set of characters.

    Args:
        path: See `Space`.
        min_length: Min number of characters.
        max_length: Max number of characters.
        charset: The characters, in their order.
    """

    def __init__(self, path: str, min_length: int, max_length: int, charset: str) -> None:
        if not 0 <= min_length <= max_length < 1 << 32:
            text = "S-10: expected min_length <= max_length below 2**32, got %d and %d"
            raise Fault(MALFORMED, text % (min_length, max_length), path)
        if not charset or len(set(charset)) != len(charset):
            raise Fault(MALFORMED, "S-10: expected a charset of distinct characters", path)
        lengths = b"".join(field_uint(i, n) for i, n in ((1, min_length), (2, max_length)) if n)
        super().__init__(path, field_blob(5, lengths + field_blob(3, charset)), own_slabs=2)
        self.bounded = True
        self._lengths = range(min_length, max_length + 1)
        self._characters = set(charset)

    def encode(self, values: List[Any], slabs: List[Any]) -> None:
        """See `Space`."""
        try:
            texts = [str.encode(value) for value in values]
        except (TypeError, UnicodeEncodeError) as error:  # No str, or a lone surrogate.
            raise broken(self.path, "V-9", "a str", str(error)) from None
        slabs += [np.array([len(text) for text in texts], "<u4").tobytes(), b"".join(texts)]

    def decode(self, slabs: SlabReader, count: int) -> List[Any]:
        """See `Space`."""
        lengths = slabs.uint32s(count, self.path)
        joined = slabs.take(sum(lengths), self.path)
        values, at = [], 0
        for length in lengths:
            try:
                values.append(str(joined[at : at + length], "utf-8"))
            except UnicodeDecodeError as error:
                raise broken(self.path, "V-9", "UTF-8", str(error)) from None
            at += length
        return values

    def report(self, value: Any, add: Callable[[str, str], None]) -> None:
        """See `Space`."""
        if len(value) not in self._lengths or not self._characters.issuperset(value):
            add(
                self.path,
                "expected a text of the space's lengths and characters, got %.60r" % value,
            )
