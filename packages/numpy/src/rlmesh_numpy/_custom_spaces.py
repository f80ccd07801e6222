"""Gymnasium spaces beyond the contract's ten: the standard spaces whose values stand for theirs."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import gymnasium.spaces as gs
import numpy as np

from rlmesh._codec.leaves import index_of
from rlmesh.errors import SpaceError

__all__ = [
    "CustomSpace",
    "add_registrations",
    "custom_space",
    "guessed_space",
    "register_space",
    "registrations",
    "standard_space",
    "value_adapter",
]

Adapter = Callable[[Any], Any]

_MAX_TEXT_LENGTH = 4096
"""Max number of characters of a text from a space that does not limit its texts."""

_TEXT_CHARSET = "\t\n" + "".join(filter(str.isprintable, map(chr, range(0x20, 0x250))))
"""Characters of a text from a space that does not list its characters: printable Latin."""


@dataclass(frozen=True)
class CustomSpace:
    """The registration of a class of spaces; see `register_space`."""

    to_standard: Callable[[Any], gs.Space[Any]]
    encode: Callable[[Any, Any], Any] | None = None
    decode: Callable[[Any, Any], Any] | None = None


_REGISTERED: dict[type, CustomSpace] = {}

_LEAVES = (gs.Box, gs.Discrete, gs.MultiBinary, gs.MultiDiscrete, gs.Text)


def register_space(
    cls: type[gs.Space[Any]],
    to_standard: Callable[[Any], gs.Space[Any]],
    *,
    encode: Callable[[Any, Any], Any] | None = None,
    decode: Callable[[Any, Any], Any] | None = None,
) -> None:
    """Register a class of Gymnasium spaces, so that environments with such spaces can be served.

    A client sees the standard space and its values. Subclasses of `cls` are registered with it.
    Registering a class again replaces what was registered for it. Worker processes know what was
    registered before the server was made.

    Args:
        cls: The class, a subclass of `gymnasium.Space`.
        to_standard: Returns, for a space of the class, a space of `gymnasium.spaces` that has all
            its values, as they are or as `encode` converts them.
        encode: Returns, for a space of the class and one of its values, the value of the standard
            space. None: values are sent as they are.
        decode: Returns, for a space of the class and a value of the standard space, the value of
            the class; for spaces of actions. None: values are passed on as they are.

    Raises:
        TypeError: If `cls` is not a subclass of `gymnasium.Space`, or `to_standard`, `encode` or
            `decode` cannot be called.
    """
    if not (isinstance(cls, type) and issubclass(cls, gs.Space)):
        raise TypeError(f"expected a subclass of gymnasium.Space, got {cls!r}")
    for name, function in (("to_standard", to_standard), ("encode", encode), ("decode", decode)):
        if not callable(function) and (function is not None or name == "to_standard"):
            raise TypeError(f"expected a function for {name}, got {function!r}")
    _REGISTERED[cls] = CustomSpace(to_standard, encode, decode)


def registrations() -> dict[type, CustomSpace]:
    """Return what is registered, by class (a copy)."""
    return dict(_REGISTERED)


def add_registrations(others: Mapping[type, CustomSpace]) -> None:
    """Register what another process has registered, unless it is registered here."""
    for cls, registration in others.items():
        _REGISTERED.setdefault(cls, registration)


def guessed_space(space: Any) -> gs.Space[Any] | None:
    """Return the first space in a space that is known by its samples alone; None: there is none."""
    if custom_space(space) is not None or isinstance(space, _LEAVES):
        return None
    parts: list[Any]
    if isinstance(space, gs.Graph):
        parts = [part for part in (space.node_space, space.edge_space) if part is not None]
    elif isinstance(space, gs.Sequence):
        parts = [space.feature_space]
    elif isinstance(space, gs.Dict):
        parts = list(space.spaces.values())
    elif isinstance(space, (gs.Tuple, gs.OneOf)):
        parts = list(space.spaces)
    else:
        return space if isinstance(space, gs.Space) else None
    return next((found for part in parts if (found := guessed_space(part)) is not None), None)


def custom_space(space: Any) -> CustomSpace | None:
    """Return the registration of a space's class, or of the nearest class that it derives from."""
    if not _REGISTERED:
        return None
    return next((_REGISTERED[cls] for cls in type(space).__mro__ if cls in _REGISTERED), None)


def standard_space(space: Any) -> gs.Space[Any] | None:
    """Return the standard space that has all values of an unregistered space, by its samples.

    None: its samples are neither texts nor arrays of one shape and dtype.
    """
    if not isinstance(space, gs.Space):
        return None
    try:
        # Drawing from the space itself would change what the environment draws next.
        sample: Any = copy.deepcopy(space).sample()
    except Exception:
        return None
    if isinstance(sample, str):
        return gs.Text(_MAX_TEXT_LENGTH, min_length=0, charset=_TEXT_CHARSET)
    if not isinstance(sample, np.ndarray) or sample.dtype.kind not in "biuf":
        return None
    if (sample.shape, sample.dtype) != (space.shape, space.dtype):
        return None
    if sample.dtype.kind == "f":
        return gs.Box(-np.inf, np.inf, sample.shape, sample.dtype.type)
    limits = (0, 1) if sample.dtype.kind == "b" else _limits(sample.dtype)
    return gs.Box(*limits, sample.shape, sample.dtype.type)


def _limits(dtype: np.dtype[Any]) -> tuple[int, int]:
    info = np.iinfo(dtype)
    return int(info.min), int(info.max)


def value_adapter(space: Any, direction: Literal["encode", "decode"]) -> Adapter | None:
    """Return the function that converts values of a space to those of its standard space, or back.

    None: values need no conversion.

    Raises:
        SpaceError: If a Graph has features, or a stack elements, that need a conversion.
    """
    custom = custom_space(space)
    if custom is not None:
        function = getattr(custom, direction)
        own = None if function is None else partial(function, space)
        return _both(own, value_adapter(custom.to_standard(space), direction), direction)
    if isinstance(space, gs.Dict):
        return _dict_adapter({k: value_adapter(s, direction) for k, s in space.spaces.items()})
    if isinstance(space, (gs.Tuple, gs.OneOf)):
        parts = [value_adapter(part, direction) for part in space.spaces]
        if not any(parts):
            return None
        return _tuple_adapter(parts) if isinstance(space, gs.Tuple) else _choice_adapter(parts)
    if isinstance(space, gs.Sequence):
        element = value_adapter(space.feature_space, direction)
        if element is not None and space.stack:
            raise SpaceError("elements of a stack cannot be converted by a registered function")
        return None if element is None else _sequence_adapter(element)
    if isinstance(space, gs.Graph):
        features = [part for part in (space.node_space, space.edge_space) if part is not None]
        if any(value_adapter(part, direction) for part in features):
            raise SpaceError("features of a graph cannot be converted by a registered function")
    return None


def _both(
    own: Adapter | None, inner: Adapter | None, direction: Literal["encode", "decode"]
) -> Adapter | None:
    """Return the conversion of a space, and of registered spaces in its standard space."""
    if own is None or inner is None:
        return own or inner
    first, second = (own, inner) if direction == "encode" else (inner, own)
    return lambda value: second(first(value))


def _sequence_adapter(element: Adapter) -> Adapter:
    def adapt(value: Any) -> Any:
        return tuple(map(element, value)) if isinstance(value, (tuple, list)) else value

    return adapt


def _dict_adapter(parts: dict[Any, Adapter | None]) -> Adapter | None:
    converted = {key: part for key, part in parts.items() if part is not None}

    def adapt(value: Any) -> Any:
        if not isinstance(value, Mapping):
            return value  # The codec refuses it, by its path.
        return {key: converted[key](v) if key in converted else v for key, v in value.items()}

    return adapt if converted else None


def _tuple_adapter(parts: list[Adapter | None]) -> Adapter:
    def adapt(value: Any) -> Any:
        if not isinstance(value, (tuple, list)) or len(value) != len(parts):
            return value
        return tuple(v if part is None else part(v) for part, v in zip(parts, value))

    return adapt


def _choice_adapter(parts: list[Adapter | None]) -> Adapter:
    def adapt(value: Any) -> Any:
        if not isinstance(value, (tuple, list)) or len(value) != 2:
            return value
        index = index_of(value[0])
        if index is None or not 0 <= index < len(parts):
            return value
        part = parts[index]
        return value if part is None else (value[0], part(value[1]))

    return adapt
