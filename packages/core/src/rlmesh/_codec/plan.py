"""`SpaceCodec`: a space compiled once into a plan that turns its values into slabs and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rlmesh import spaces
from rlmesh._codec.base import Node, SlabReader
from rlmesh._codec.containers import DictNode, GraphNode, OneOfNode, SequenceNode, TupleNode
from rlmesh._codec.leaves import ArrayNode, IntegerNode, TextNode
from rlmesh._codec.validate import Validation, Validator
from rlmesh.backends import ArrayBackend, Buffer, Leaf
from rlmesh.dtypes import DType, dtype
from rlmesh.errors import InvalidValueError, SpaceError
from rlmesh.spaces import Bounds
from rlmesh.spaces._integer import IntegerSpace

__all__ = ["SpaceCodec"]

_PATH_CHARACTERS = 1_000_000
"""Max number of characters of all paths of a plan, before they are shortened."""

_SHORT_PART = 60
"""Number of characters that are left of either end of a path."""

_CHUNK = 65_536
"""Number of elements that are turned into Python's integers at once."""


class SpaceCodec:
    """Encodes and decodes the values of one space in one backend.

    Args:
        space: The space.
        backend: Backend of its arrays.
        root: Name of the value in messages ("observation").
        validation: What to do with a value outside its space.
    """

    def __init__(
        self,
        space: spaces.Space[Any],
        backend: ArrayBackend,
        *,
        root: str = "value",
        validation: Validation = "warn",
    ) -> None:
        self.space = space
        self.backend = backend
        self._root = root
        self._validator = Validator(validation)
        self._node = _compile(space, backend, self._validator, root, _Paths())

    def encode(self, value: Any) -> list[Buffer]:
        """Return the slabs of one value.

        Raises:
            InvalidValueError: If it is not a value of the space.
        """
        out: list[Buffer] = []
        self._node.encode_one(value, out)
        return out

    def encode_batch(self, batch: Any, count: int) -> list[Buffer]:
        """Return the slabs of a batch of `count` values.

        Raises:
            InvalidValueError: If it is not a batch of `count` values of the space.
        """
        return self.encode_batches((batch,), count)

    def encode_batches(self, batches: Sequence[Any], count: int) -> list[Buffer]:
        """Return the slabs of several batches of `count` values, one batch after another."""
        out: list[Buffer] = []
        for batch in batches:
            self._check_length(batch, count)
        self._node.encode_batches(batches, (count,) * len(batches), out)
        return out

    def encode_values(self, values: Sequence[Any]) -> list[Buffer]:
        """Return the slabs of a batch given as a list of values."""
        out: list[Buffer] = []
        self._node.encode_many(values, out)
        return out

    def decode(self, slabs: Sequence[Buffer], *, copy: bool = True) -> Any:
        """Return the value that the slabs encode.

        Args:
            slabs: The slabs.
            copy: False: arrays may be read-only views of the slabs.

        Raises:
            CodecError: If the slabs do not encode a value of the space.
        """
        node = self._node
        if len(slabs) == 1 and len(slabs[0]) == node.slab:
            return node.decode_slab(slabs[0], copy)  # Nothing to share out.
        reader = SlabReader(slabs, copy)
        value = node.decode_one(reader)
        reader.finish(self._root)
        return value

    def decode_batch(self, slabs: Sequence[Buffer], count: int, *, copy: bool = True) -> Any:
        """Return the batch of `count` values that the slabs encode; see `decode`."""
        return self.decode_batches(slabs, 1, count, copy=copy)[0]

    def decode_batches(
        self, slabs: Sequence[Buffer], times: int, count: int, *, copy: bool = True
    ) -> list[Any]:
        """Return the `times` batches of `count` values that the slabs encode; see `decode`."""
        reader = SlabReader(slabs, copy)
        reader.check_count(times * count, self._root)
        batches = self._node.decode_batches(reader, (count,) * times)
        reader.finish(self._root)
        return batches

    def decode_values(self, slabs: Sequence[Buffer], count: int) -> list[Any]:
        """Return the batch of `count` values as a list of values; see `decode`."""
        reader = SlabReader(slabs, copy=True)
        reader.check_count(count, self._root)
        reader.check_free(count * self._node.empty_parts, self._root)
        values = self._node.decode_many(reader, count)
        reader.finish(self._root)
        return values

    def length(self, batch: Any) -> int:
        """Return the number of values in a batch; 0 if it has no leaves, which would show it.

        Raises:
            InvalidValueError: If it is no batch.
        """
        return self._node.batch_length(batch) or 0

    def take_reports(self) -> dict[str, str]:
        """Return the validation messages by path since the last call."""
        return self._validator.take_reports() if self._validator.pending else {}

    def without_reports(self, root: str) -> SpaceCodec:
        """Return the same codec for a value of another name, without reports of what passes."""
        level: Validation = "strict" if self._validator.level == "strict" else "off"
        return SpaceCodec(self.space, self.backend, root=root, validation=level)

    def _check_length(self, batch: Any, count: int) -> None:
        length = self._node.batch_length(batch)
        if length is not None and length != count:
            raise InvalidValueError(self._root, f"a batch of {count}", f"one of {length}")


class _Paths:
    """The paths of a plan's nodes, which are short if all of them together would be large.

    A key has up to 64 KiB, and each of thousands of leaves below the key repeats it.
    """

    def __init__(self) -> None:
        self._room = _PATH_CHARACTERS

    def child(self, path: str, step: str) -> str:
        """Return the path of a part of the space at `path`."""
        self._room -= len(path) + len(step)
        if self._room >= 0:
            return path + step
        return f"{path[:_SHORT_PART]}...{step[-_SHORT_PART:]}"


def _compile(
    space: spaces.Space[Any],
    backend: ArrayBackend,
    validator: Validator,
    path: str,
    paths: _Paths,
) -> Node:
    def child(key: str | int, part: spaces.Space[Any]) -> Node:
        inner = paths.child(path, spaces.path_text((key,)))
        return _compile(part, backend, validator, inner, paths)

    def features(name: str, part: spaces.Space[Any]) -> Node:
        return _compile(part, backend, validator, paths.child(path, name), paths)

    if isinstance(space, spaces.Dict):
        return DictNode(path, [(key, child(key, part)) for key, part in space.children])
    if isinstance(space, spaces.Tuple):
        return TupleNode(path, [child(key, part) for key, part in space.children])
    if isinstance(space, spaces.OneOf):
        parts = [child(key, part) for key, part in space.children]
        # Gymnasium's samples have an index of int64.
        return OneOfNode(path, parts, backend.integer_type(dtype("int64")))
    if isinstance(space, spaces.Sequence):
        return SequenceNode(path, child(0, space.feature_space), space.stack)
    if isinstance(space, spaces.Graph):
        links = Leaf(paths.child(path, ".edge_links"), dtype("int32"), (2,))
        edges = space.edge_space
        return GraphNode(
            path,
            features(".nodes", space.node_space),
            None if edges is None else features(".edges", edges),
            ArrayNode(links, backend, validator, categorical=True),
            backend.graph_type,
        )
    if isinstance(space, spaces.Text):
        return TextNode(path, space.min_length, space.max_length, space.charset, validator)
    return _compile_array(space, backend, validator, path)


def _compile_array(
    space: spaces.Space[Any], backend: ArrayBackend, validator: Validator, path: str
) -> Node:
    if isinstance(space, IntegerSpace):
        last = space.start + space.n - 1
        low, high = (Bounds(space.dtype.pack([x]), uniform=True) for x in (space.start, last))
        leaf = Leaf(path, space.dtype, (), low, high)
        return IntegerNode(leaf, backend, validator, space.start, space.n)
    if isinstance(space, spaces.MultiBinary):
        low, high = (Bounds(bytes([x]), uniform=True) for x in (0, 1))
        leaf = Leaf(path, space.dtype, space.shape, low, high)
        return ArrayNode(leaf, backend, validator, True, "V-7")
    if isinstance(space, spaces.MultiDiscrete):
        low = Bounds(space.start.tobytes(), uniform=False)
        high = Bounds(_last_choices(space), uniform=False)
        leaf = Leaf(path, space.dtype, space.shape, low, high)
        return ArrayNode(leaf, backend, validator, True, "V-8")
    if isinstance(space, spaces.Box):
        low_or_none, high_or_none = _box_bounds(space)
        leaf = Leaf(path, space.dtype, space.shape, low_or_none, high_or_none)
        return ArrayNode(leaf, backend, validator, categorical=False)
    raise SpaceError(f"no codec for a space of type {type(space).__name__}", path=path)


def _last_choices(space: spaces.MultiDiscrete) -> bytes:
    """Return the largest choice of each element."""
    element = space.dtype
    size = element.itemsize * _CHUNK
    starts, counts = memoryview(space.start.buffer), memoryview(space.nvec.buffer)
    packed: list[bytes] = []
    for at in range(0, len(starts), size):
        pairs = zip(element.unpack(starts[at : at + size]), element.unpack(counts[at : at + size]))
        packed.append(element.pack([start + count - 1 for start, count in pairs]))
    return b"".join(packed)


def _box_bounds(space: spaces.Box) -> tuple[Bounds | None, Bounds | None]:
    """Return the bounds of a Box, or None if they exclude no value of its dtype."""
    low, high = space.low_bounds, space.high_bounds
    if low.uniform and high.uniform and _covers(space.dtype, low.data, high.data):
        return None, None
    return (low, high) if space.low_bounds.data else (None, None)


def _covers(element: DType, low: bytes, high: bytes) -> bool:
    if element.is_float:
        return False  # NaN is outside of every Box.
    smallest, largest = element.limits
    return element.unpack(low)[0] <= smallest and element.unpack(high)[0] >= largest
