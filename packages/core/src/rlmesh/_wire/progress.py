"""Reports of progress <-> their message (CONTRACT.md, N-17)."""

from __future__ import annotations

from typing import Any

from rlmesh.specs import Progress

__all__ = ["read_progress", "write_progress"]

_MAX_MESSAGE_BYTES = 256


def write_progress(progress: Progress, out: Any) -> None:
    """Write a report into a `Progress` message."""
    out.SetInParent()
    fraction = _share(progress.fraction)
    if fraction is not None:
        out.fraction = fraction
    out.message = _cut(progress.message)


def read_progress(message: Any) -> Progress:
    """Return the report of a `Progress` message."""
    fraction = _share(message.fraction) if message.HasField("fraction") else None
    return Progress(fraction, _cut(message.message))


def _share(fraction: float | None) -> float | None:
    return fraction if fraction is not None and 0.0 <= fraction <= 1.0 else None


def _cut(text: str) -> str:
    return text.encode("utf-8", "replace")[:_MAX_MESSAGE_BYTES].decode(errors="ignore")
