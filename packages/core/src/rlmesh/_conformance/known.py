"""Files of known failures."""

from __future__ import annotations

from rlmesh._conformance.checks import ALL_CHECKS

__all__ = ["read_known"]


def read_known(text: str) -> frozenset[str]:
    """Return the names of checks in a file of known failures: one a line, `#` begins a comment.

    Raises:
        ValueError: If there is no check of that name.
    """
    lines = (line.partition("#")[0].strip() for line in text.splitlines())
    found = frozenset(line for line in lines if line)
    unknown = found - {check.name for check in ALL_CHECKS}
    if unknown:
        raise ValueError(f"there is no check {sorted(unknown)[0]!r}")
    return found
