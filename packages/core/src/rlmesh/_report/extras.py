"""Libraries that only a report needs, imported when one is made."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["needed"]


def needed(library: str, what: str) -> Any:
    """A library of the extra `report`.

    Args:
        library: Its name ("pandas").
        what: What needs it ("to_dataframe()").

    Raises:
        ImportError: If it is not installed; says how to.
    """
    try:
        return importlib.import_module(library)
    except ImportError as error:
        root = library.partition(".")[0]
        if error.name not in (library, root):
            raise  # It is there, and lacks something of its own.
        raise ImportError(
            f'{what} needs {root}: pip install "rlmesh-core[report]"', name=root
        ) from error
