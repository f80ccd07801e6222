"""Makes an input smaller that breaks a promise, as long as it breaks the same one."""

from __future__ import annotations

import traceback
from collections.abc import Callable

__all__ = ["minimised"]

Run = Callable[[bytes], None]


def minimised(run: Run, data: bytes) -> bytes:
    """The input without what its fault does not need; the input itself if it has none."""
    fault = _fault(run, data)
    size = len(data) // 2
    while size and fault is not None:
        at = 0
        while at < len(data):
            shorter = data[:at] + data[at + size :]
            if _fault(run, shorter) == fault:
                data = shorter
            else:
                at += size
        size //= 2
    return data


def _fault(run: Run, data: bytes) -> tuple[str, str, int | None] | None:
    """Kind and place of the error; None if there is none."""
    try:
        run(data)
    except Exception as error:
        last = traceback.extract_tb(error.__traceback__)[-1]
        return type(error).__name__, last.filename, last.lineno
    return None
