"""Variables `RLMESH_...` of the process that nothing reads."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable

from rlmesh._logs import warn

__all__ = ["warn_of_unknown_variables"]

_PREFIX = "RLMESH_"

_TESTS = "RLMESH_TEST_"
"""Beginning of the names of variables that only the project's own tests read."""

_OTHERS = ("TOKEN", "MODEL_TOKEN", "LOG", "LOG_FORMAT", "TRACE_STEPS")
"""Names of variables that are no options of servers, without their beginning."""

_ALIKE = 0.8
"""Smallest similarity of a name that is suggested, from 0 to 1."""

_warned: set[str] = set()


def warn_of_unknown_variables(options: Iterable[str], *, stacklevel: int) -> None:
    """Warn once of each variable of this process that nothing reads, such as a misspelt one.

    Args:
        options: Names of the options of servers, which can be set by variables.
        stacklevel: As in `warnings.warn`.
    """
    known = [f"{_PREFIX}{name.upper()}" for name in (*options, *_OTHERS)]
    for name in sorted(os.environ):
        if not name.startswith(_PREFIX) or name.startswith(_TESTS):
            continue
        if name in known or name in _warned:
            continue
        _warned.add(name)
        close = difflib.get_close_matches(name, known, n=1, cutoff=_ALIKE)
        meant = f"did you mean {close[0]}?" if close else f"there are {', '.join(known)}"
        warn(
            f"the variable {name} has no effect; {meant}", RuntimeWarning, stacklevel=stacklevel + 1
        )
