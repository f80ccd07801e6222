"""`view_of_names`: the view that a user of a client asks for, from names of parts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Union, cast

from rlmesh.spaces import Dict, path_text
from rlmesh.specs import EnvContract

if TYPE_CHECKING:
    from rlmesh.adapters._view import ObservationView

__all__ = ["Observed", "view_of_names"]

Observed = Iterable[Union[str, int, tuple[Union[str, int], ...]]]
"""The type of `observe=` of a client."""


def view_of_names(names: Observed, contract: EnvContract) -> ObservationView:
    """Return the view of the parts with these names.

    Args:
        names: For each part a key of the observation space, a role of the environment's tags, or a
            tuple of the keys and positions that lead to it.
        contract: The environment's contract.

    Raises:
        TypeError: If `names` is one text, or a name is something else.
        ValueError: If no part has a name; the message has the nearest one.
    """
    from rlmesh.adapters._view import ObservationView, ViewPart

    if isinstance(names, str):
        raise TypeError(f"observe={names!r}: expected a list of names, got one text")
    paths = [path for name in names for path in _paths(name, contract)]
    return ObservationView(tuple(ViewPart(path) for path in dict.fromkeys(paths)))


def _paths(name: object, contract: EnvContract) -> list[tuple[str | int, ...]]:
    is_path = isinstance(name, (tuple, list))  # The JSON of a Gymnasium spec has lists.
    keys: list[str | int] = []
    for key in cast("Sequence[object]", name) if is_path else (name,):
        if not isinstance(key, (str, int)) or isinstance(key, bool):
            kind = type(key).__name__
            raise TypeError(f"observe: expected keys, roles and tuples of keys, got a {kind}")
        keys.append(key)
    return [tuple(keys)] if is_path else _named(keys[0], contract)


def _named(name: str | int, contract: EnvContract) -> list[tuple[str | int, ...]]:
    space = contract.observation_space
    keys = [key for key, _ in space.children]
    if name in keys:
        return [(name,)]
    tags = () if contract.tags is None else contract.tags.observation
    paths = [leaf.path for leaf in tags if leaf.feature.role == name]
    if paths:
        return paths
    known = [*map(str, keys), *dict.fromkeys(leaf.feature.role for leaf in tags)]
    near = get_close_matches(str(name), known, 1)
    advice = f"; the nearest is {near[0]!r}" if near else f"; there are {', '.join(known)[:300]}"
    kind = "key" if isinstance(space, Dict) else "position"
    raise ValueError(
        f"observe: expected a {kind} or role of observation{path_text(())}, got {name!r}{advice}"
    )
