"""`escape_control_chars`: makes texts from the wire safe to print and log (Y-10)."""

from __future__ import annotations

__all__ = ["escape_control_chars"]


def escape_control_chars(text: str, keep: str = "") -> str:
    """Return `text` with control characters escaped, which could act on a terminal or a page.

    Args:
        text: Any text, such as a peer's.
        keep: Control characters to keep, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )
