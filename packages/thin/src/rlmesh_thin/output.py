"""Lines on stderr, with texts of others made safe for a terminal (Y-10)."""

import sys

__all__ = ["note"]


def note(text: str) -> None:
    """Print a line to stderr."""
    shown = "".join(c if c.isprintable() or c in "\n\t" else repr(c)[1:-1] for c in text)
    try:
        sys.stderr.write("rlmesh-thin: %s\n" % shown)
        sys.stderr.flush()
    except (OSError, UnicodeError):
        pass
