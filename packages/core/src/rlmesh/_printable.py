"""`shown`: texts that may have come over the wire, as they are printed and logged (Y-10)."""

from __future__ import annotations

__all__ = ["shown"]


def shown(text: str, keep: str = "") -> str:
    """`text` without control characters, which could do things to a terminal or a page.

    Args:
        text: Anything, such as what came over the wire.
        keep: Characters that stay, such as line ends.
    """
    if text.isprintable():
        return text
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text
    )
