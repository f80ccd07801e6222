"""Imports of libraries that only an extra installs, at the time they are needed."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["optional_import"]


def optional_import(name: str, what: str, extra: str) -> Any:
    """Import a library that an extra installs.

    Args:
        name: Name of the module ("pandas").
        what: The feature that needs it ("to_dataframe()").
        extra: Name of the extra ("report").

    Raises:
        ImportError: If the library is not installed; the message has the pip command.
    """
    root = name.partition(".")[0]
    try:
        return importlib.import_module(name)
    except ImportError as error:
        if error.name not in (name, root):
            raise  # The library is installed, but one of its own imports is missing.
        raise ImportError(
            f'{what} needs {root}: pip install "rlmesh-core[{extra}]"', name=root
        ) from error
