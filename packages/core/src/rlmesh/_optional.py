"""Libraries that only an extra brings, imported when they are needed."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["optional_import"]


def optional_import(name: str, what: str, extra: str) -> Any:
    """A library of an extra.

    Args:
        name: Its name ("pandas").
        what: What needs it ("to_dataframe()").
        extra: The extra ("report").

    Raises:
        ImportError: If it is not installed; says how to.
    """
    root = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if error.name not in (name, root):
            raise  # It is there, and lacks something of its own.
        raise ImportError(
            f'{what} needs {root}: pip install "rlmesh-core[{extra}]"', name=root
        ) from error
