"""`Dict`: named sub-spaces, in order."""

from __future__ import annotations

from collections.abc import ItemsView, Iterable, Iterator, KeysView, Mapping, ValuesView
from typing import Any, cast, overload

from rlmesh.errors import SpaceError
from rlmesh.spaces._base import MAX_KEY_BYTES, SeedResult, Space, path_text, read_child

__all__ = ["Dict"]


class Dict(Space[dict[Any, Any]]):
    """Dicts with a value of a sub-space under each key.

    The keys keep the order that they are passed in; Gymnasium sorts the keys of a plain dict.

    Attributes:
        sort_keys: Whether Gymnasium sorts the keys of the space's equal, and those of the spaces
            that it derives from it.

    Args:
        spaces: The sub-spaces: a mapping, or (key, space) pairs. A key is a string or an integer.
        seed: Seed of the sampler.
        sort_keys: The flag of Gymnasium's Dict (since 1.4). It orders no key here and equality does
            not compare it; it is kept so that Gymnasium's spaces come back as they were.
        **kwargs: More sub-spaces, after those of `spaces`.

    Raises:
        SpaceError: If a key has another type or appears twice, or a value is not a space.
    """

    kind = "dict"
    is_leaf = False

    sort_keys: bool

    # Two overloads, because mypy infers `object` for the spaces of a dict literal if the parameter
    # can be either a mapping or an iterable.
    @overload
    def __init__(
        self,
        spaces: Mapping[Any, Space[Any]] | None = None,
        seed: int | None = None,
        *,
        sort_keys: bool = True,
        **kwargs: Space[Any],
    ) -> None: ...
    @overload
    def __init__(
        self,
        spaces: Iterable[tuple[Any, Space[Any]]],
        seed: int | None = None,
        *,
        sort_keys: bool = True,
        **kwargs: Space[Any],
    ) -> None: ...
    def __init__(
        self,
        spaces: Mapping[Any, Space[Any]] | Iterable[tuple[Any, Space[Any]]] | None = None,
        seed: int | None = None,
        *,
        sort_keys: bool = True,
        **kwargs: Space[Any],
    ) -> None:
        given: Iterable[tuple[Any, Any]] = _pairs(spaces)
        checked: dict[str | int, Space[Any]] = {}
        for key, space in [*given, *kwargs.items()]:
            name = _read_key(key)
            if name in checked:
                raise SpaceError("expected the key once, got it twice", path=path_text((name,)))
            checked[name] = read_child(space, name)
        self._spaces = checked
        self._children = tuple(checked.items())
        if not isinstance(sort_keys, bool):
            raise SpaceError(
                f"expected a bool for sort_keys, got {sort_keys!r}; pass a sub-space of that name "
                f"in a mapping"
            )
        self._define(sort_keys=sort_keys)
        super().__init__(seed)

    @property
    def spaces(self) -> dict[str | int, Space[Any]]:
        """The sub-spaces by key, in order (a copy)."""
        return dict(self._spaces)

    @property
    def children(self) -> tuple[tuple[str | int, Space[Any]], ...]:
        """The sub-spaces in order, each with its key."""
        return self._children

    def sample(self) -> dict[Any, Any]:
        """Draw a value of each sub-space."""
        return {key: space.sample() for key, space in self._children}

    def contains(self, value: Any, /) -> bool:
        """Return whether `value` is a dict with exactly these keys, in any order, and values."""
        if not isinstance(value, dict):
            return False
        items: dict[Any, Any] = value
        if items.keys() != self._spaces.keys():
            return False
        return all(space.contains(items[key]) for key, space in self._children)

    def keys(self) -> KeysView[str | int]:
        """Return the keys, in order."""
        return self._spaces.keys()

    def values(self) -> ValuesView[Space[Any]]:
        """Return the sub-spaces, in order."""
        return self._spaces.values()

    def items(self) -> ItemsView[str | int, Space[Any]]:
        """Return the (key, space) pairs, in order."""
        return self._spaces.items()

    def __getitem__(self, key: str | int) -> Space[Any]:
        return self._spaces[key]

    def __iter__(self) -> Iterator[str | int]:
        return iter(self._spaces)

    def __len__(self) -> int:
        return len(self._spaces)

    def _seed_result(self, own: int, children: list[SeedResult]) -> SeedResult:
        return cast("dict[str, int]", dict(zip(self._spaces, children, strict=True)))

    def _definition(self) -> tuple[object, ...]:
        return self._children

    def __repr__(self) -> str:
        return f"Dict({', '.join(f'{key!r}: {space!r}' for key, space in self._children)})"


def _pairs(spaces: object) -> Iterable[tuple[Any, Any]]:
    if spaces is None:
        return ()
    if isinstance(spaces, Mapping):
        mapping: Mapping[Any, Any] = spaces
        return mapping.items()
    try:
        return [(key, space) for key, space in cast("Iterable[tuple[Any, Any]]", spaces)]
    except (TypeError, ValueError):
        got = type(spaces).__name__
        raise SpaceError(f"expected a mapping or (key, space) pairs, got {got}") from None


def _read_key(key: object) -> str | int:
    """Return a key as a plain string or integer."""
    if isinstance(key, str):
        name = str.__str__(key)
        if any("\ud800" <= c <= "\udfff" for c in name):
            raise SpaceError(f"expected a key without surrogates, got {name!r}")
        if len(name.encode()) > MAX_KEY_BYTES:
            raise SpaceError(
                f"expected a key of at most {MAX_KEY_BYTES} bytes, got {name[:60]!r}..."
            )
        return name
    if isinstance(key, int) and not isinstance(key, bool):
        if not -(2**63) <= key < 2**63:
            raise SpaceError(f"expected an integer key of 64 bits, got {key}")
        return int(key)
    raise SpaceError(f"expected a key that is a string or an integer, got {key!r}")
