"""The form of a trace context (CONTRACT.md, H-13)."""

from __future__ import annotations

import re

__all__ = ["is_traceparent"]

_TRACEPARENT = re.compile("00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")
"""The standard forbids ids of zeros alone."""


def is_traceparent(text: str) -> bool:
    """Return whether a text is a W3C `traceparent`."""
    return _TRACEPARENT.fullmatch(text) is not None
