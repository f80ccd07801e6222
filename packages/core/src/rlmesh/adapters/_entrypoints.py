"""Callables that a spec names by "module:name"; imported only if the user trusts the spec."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import reduce
from typing import Any

from rlmesh.adapters._problems import Problem, shortened

__all__ = ["load_entrypoint"]

_NAME = r"[^\W\d]\w*(\.[^\W\d]\w*)*"
_FORM = re.compile(f"{_NAME}:{_NAME}")


def load_entrypoint(entrypoint: str, path: str, *, trusted: bool) -> Callable[[Any], Any] | Problem:
    """Return the callable that an input names.

    Args:
        entrypoint: "module:name"; the name may have dots.
        path: Path of the input in the spec.
        trusted: Whether the user has declared entry points trusted. Nothing is imported otherwise.

    Returns:
        The callable; a problem if it is not trusted, cannot be imported, or cannot be called.
    """
    if not trusted:
        fix = "pass trust_entrypoints=True if you trust the spec's author: it runs their code"
        expected = "no entry point, or one that is trusted"
        return Problem(path, expected, shortened(entrypoint), fix, forbidden=True)
    if not _FORM.fullmatch(entrypoint):
        return Problem(
            path, 'an entry point "module:name"', shortened(entrypoint), "correct the spec"
        )
    module, _, name = entrypoint.partition(":")
    try:
        found: Any = reduce(getattr, name.split("."), importlib.import_module(module))
    except Exception as error:  # Importing a module runs its code, which may raise anything.
        actual = f"{type(error).__name__}: {error}"
        return Problem(path, f"{entrypoint!r} to be imported", actual, "install or correct it")
    if not callable(found):
        actual = f"a {type(found).__name__}"
        return Problem(path, f"{entrypoint!r} to be callable", actual, "correct the spec")
    function: Callable[[Any], Any] = found
    return function
