"""`lazy_names`: public names that are imported when they are first used (PEP 562)."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping

__all__ = ["lazy_names"]


def lazy_names(package: str, modules: Mapping[str, str]) -> Callable[[str], object]:
    """Return the `__getattr__` of a package.

    Args:
        package: The package's name.
        modules: Module of each name, relative to the package; a name that is its own module is the
            module.
    """

    def load(name: str) -> object:
        module = modules.get(name)
        if module is None:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value: object = importlib.import_module(f"{package}.{module}")
        if module != name:
            value = getattr(value, name)
        setattr(sys.modules[package], name, value)
        return value

    return load
