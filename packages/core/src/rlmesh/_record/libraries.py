"""Libraries that only a recording needs, imported when one is made."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["library"]


def library(name: str, what: str) -> Any:
    """A library of the extra `record`.

    Args:
        name: Its name ("av").
        what: What needs it ("VideoRecorder").

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
            f'{what} needs {root}: pip install "rlmesh-core[record]"', name=root
        ) from error
