"""The base classes of all spaces: an immutable definition, a sampler, and children."""

from __future__ import annotations

import math
import operator
import os
import random
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Generic, TypeVar, cast

from rlmesh.dtypes import DType, DTypeLike
from rlmesh.dtypes import dtype as as_dtype
from rlmesh.errors import SpaceError

__all__ = [
    "MAX_DEPTH",
    "MAX_KEY_BYTES",
    "MAX_LEAVES",
    "MAX_SPACES",
    "NumericSpace",
    "SeedResult",
    "Space",
    "check_elements",
    "check_extents",
    "path_text",
]

MAX_DEPTH = 24
"""Largest number of nested levels of a space, in levels; a leaf has one."""

MAX_LEAVES = 4_096
"""Largest number of leaves of one space."""

MAX_SPACES = 16_384
"""Largest number of spaces in one space, itself included."""

MAX_ELEMENTS = 8_388_608
"""Largest number of elements in one space that are checked one by one, which takes up to a
microsecond each: those of MultiDiscretes, and of bounds that differ by element."""

MAX_KEY_BYTES = 2**16
"""Largest size of a Dict's key, in bytes of UTF-8."""

MAX_LEAF_DIMENSIONS = 31
"""Largest number of dimensions of a leaf: NumPy 1 allows 32, and a batch adds one."""

MAX_LEAF_BYTES = 2**28
"""Largest size of one value of a leaf, in bytes: that of a message."""

SeedResult = int | list[int] | dict[str, int] | None
"""The type of what `seed` returns: one seed, or the children's, nested like the space."""

T = TypeVar("T")


def path_text(path: Sequence[str | int]) -> str:
    """Return a path within a space as an expression: `("a", 0)` becomes `"['a'][0]"`.

    X-6: an error's path is written with one subscript for each level.
    """
    return "".join(map(_step_text, path))


def _step_text(key: str | int) -> str:
    if not isinstance(key, str):
        return f"[{key}]"
    escaped = key.replace("\\", "\\\\").replace("'", "\\'")
    return f"['{escaped}']"


class Space(ABC, Generic[T]):
    """A set of values.

    Spaces compare and hash by their definition, which cannot be changed. The order of a Dict's keys
    and the exact bits of bounds belong to the definition; the state of the sampler does not.

    Attributes:
        kind: Name of the family in lower case ("multi_discrete").
        is_leaf: Whether spaces of the family have values of their own instead of sub-spaces.
    """

    kind: ClassVar[str]
    is_leaf: ClassVar[bool]

    _rng: random.Random | None
    _depth: int
    _leaves: int
    _spaces_within: int
    _elements_within: int

    def __init__(self, seed: int | None = None) -> None:
        # Subclasses call this constructor last, because it reads the children.
        self._rng = None
        self._depth = 1 + max((child.depth for _, child in self.children), default=0)
        if self._depth > MAX_DEPTH:
            path = path_text(_deepest(self))
            raise SpaceError(f"expected at most {MAX_DEPTH} levels of spaces", path=path)
        self._count()
        if seed is not None:
            self.seed(seed)

    def _count(self) -> None:
        """Check how many parts the space has; one that is used in two places counts twice."""
        parts = [child for _, child in self.children]
        self._leaves = self.is_leaf + sum(child._leaves for child in parts)
        self._spaces_within = 1 + sum(child._spaces_within for child in parts)
        self._elements_within = self._own_elements() + sum(
            child._elements_within for child in parts
        )
        if self._leaves > MAX_LEAVES:
            raise SpaceError(f"expected at most {MAX_LEAVES} leaves, got {self._leaves}")
        if self._spaces_within > MAX_SPACES:
            raise SpaceError(f"expected at most {MAX_SPACES} spaces, got {self._spaces_within}")
        check_elements(self._elements_within)

    def _own_elements(self) -> int:
        """Return the number of elements that are checked one by one; 0 of other families."""
        return 0

    @property
    def shape(self) -> tuple[int, ...] | None:
        """Extent of each dimension of a value; None if a value is not an array."""
        return None

    @property
    def dtype(self) -> DType | None:
        """Element type of a value; None if a value is not an array."""
        return None

    @property
    def children(self) -> tuple[tuple[str | int, Space[Any]], ...]:
        """The sub-spaces in canonical order, each with its key."""
        return ()

    @property
    def depth(self) -> int:
        """Levels of spaces, this one included: 1 for a leaf."""
        return self._depth

    @abstractmethod
    def sample(self) -> T:
        """Draw one value of the space at random."""

    @abstractmethod
    def contains(self, value: Any, /) -> bool:
        """Return whether `value` belongs to the space."""

    def seed(self, seed: int | None = None) -> SeedResult:
        """Seed the sampler, and those of the children from seeds that it draws.

        Args:
            seed: A non-negative integer. None: a seed from the operating system.

        Returns:
            The seed that was used; for a composite space the seeds of its children, nested.

        Raises:
            TypeError: If `seed` is not an integer.
            ValueError: If `seed` is negative.
        """
        own = int.from_bytes(os.urandom(8), "little") if seed is None else operator.index(seed)
        if own < 0:
            raise ValueError(f"expected a seed of at least 0, got {own}")
        self._rng = random.Random(own)
        # The children's seeds come from a separate stream, so that the first of them and the first
        # sample are not the same draw.
        seeds = random.Random(f"{own}").sample(range(2**31 - 1), len(self.children))
        return self._seed_result(
            own,
            [child.seed(s) for (_, child), s in zip(self.children, seeds, strict=True)],
        )

    def _seed_result(self, own: int, children: list[SeedResult]) -> SeedResult:
        return cast("list[int]", [own, *children]) if children else own

    @property
    def _random(self) -> random.Random:
        """The sampler; one that was never seeded is seeded by the operating system now."""
        if self._rng is None:
            self._rng = random.Random()
        return self._rng

    @abstractmethod
    def _definition(self) -> tuple[object, ...]:
        """Return the facts that the space is compared and hashed by."""

    def _define(self, **facts: object) -> None:
        """Set public attributes, once, from a constructor."""
        for name, fact in facts.items():
            object.__setattr__(self, name, fact)

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("_"):
            raise AttributeError(f"a space is immutable; cannot set {name!r}")
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        raise AttributeError(f"a space is immutable; cannot delete {name!r}")

    def __contains__(self, value: object) -> bool:
        return self.contains(value)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Space):
            return NotImplemented
        that: Space[Any] = other
        return self.kind == that.kind and self._definition() == that._definition()

    def __hash__(self) -> int:
        return hash((self.kind, self._definition()))


class NumericSpace(Space[T]):
    """A space of arrays of numbers of a fixed shape, or of single numbers."""

    is_leaf = True

    _shape: tuple[int, ...]
    _dtype: DType

    def __init__(self, seed: int | None = None) -> None:
        check_extents(self._shape, self._dtype)
        super().__init__(seed)

    @property
    def shape(self) -> tuple[int, ...]:
        """Extent of each dimension of a value."""
        return self._shape

    @property
    def dtype(self) -> DType:
        """Element type of a value."""
        return self._dtype

    @property
    def size(self) -> int:
        """Number of elements of a value."""
        return math.prod(self._shape)


def check_extents(extents: Sequence[int], dtype: DType) -> None:
    """Check the size of a leaf; an extent of 0 does not excuse the other extents.

    Raises:
        SpaceError: If the contract allows no leaf of that shape.
    """
    if len(extents) > MAX_LEAF_DIMENSIONS:
        message = f"expected at most {MAX_LEAF_DIMENSIONS} dimensions, got {len(extents)}"
        raise SpaceError(message, rule="M-1")
    size = math.prod(max(n, 1) for n in extents) * dtype.itemsize
    if size > MAX_LEAF_BYTES:
        expected = f"expected a leaf of at most {MAX_LEAF_BYTES} bytes"
        rule = "M-6" if size >= 2**63 else "M-1"
        raise SpaceError(f"{expected}, got shape {tuple(extents)} of {dtype}", rule=rule)


def check_elements(count: int) -> None:
    """Raise SpaceError if more elements of a space are checked one by one than a space may have."""
    if count > MAX_ELEMENTS:
        message = (
            f"expected at most {MAX_ELEMENTS} elements of MultiDiscretes and of bounds of single "
            f"elements, got {count}"
        )
        raise SpaceError(message, rule="M-1")


def read_dtype(spec: DTypeLike, *, integer: bool = False) -> DType:
    """Return the element type that was passed to a constructor.

    Raises:
        SpaceError: If there is no such type, or `integer` is set and it is no integer type.
    """
    try:
        element = as_dtype(spec)
    except TypeError as error:
        raise SpaceError(str(error)) from None
    if integer and not element.is_integer:
        raise SpaceError(f"expected an integer dtype, got {element}")
    return element


def read_int(value: object, name: str) -> int:
    """Return the integer that was passed to a constructor: any integer type, but no bool.

    Raises:
        SpaceError: If it is not an integer.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(cast("Any", value))
    except TypeError:
        got = f"{value!r} ({type(value).__name__})"
        raise SpaceError(f"expected {name} to be an integer, got {got}") from None


def read_child(value: object, key: str | int) -> Space[Any]:
    """Return the sub-space that was passed to a constructor under `key`.

    Raises:
        SpaceError: If it is not a space of `rlmesh.spaces`.
    """
    if isinstance(value, Space):
        space: Space[Any] = value
        return space
    message = f"expected a space of rlmesh.spaces, got {type(value).__name__}"
    if type(value).__module__.partition(".")[0] == "gymnasium":
        message = f"{message} of Gymnasium; convert it with rlmesh.spaces.from_gymnasium"
    raise SpaceError(message, path=path_text((key,)))


def freeze_children(
    spaces: Mapping[Any, Space[Any]] | Sequence[Space[Any]],
) -> tuple[tuple[str | int, Space[Any]], ...]:
    """Return the (key, space) pairs of a mapping, or the (index, space) pairs of a sequence."""
    pairs = spaces.items() if isinstance(spaces, Mapping) else enumerate(spaces)
    return tuple(pairs)


def _deepest(space: Space[Any]) -> list[str | int]:
    path: list[str | int] = []
    while space.children:
        key, space = max(space.children, key=lambda pair: pair[1].depth)
        path.append(key)
    return path
