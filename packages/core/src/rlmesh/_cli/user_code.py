"""Where code that a command line names has failed: the user's own part of a traceback."""

from __future__ import annotations

import traceback
from types import TracebackType

from rlmesh._cli.sources import UsageProblem

__all__ = ["users_traceback"]

_CALLERS = frozenset(("load", "make_env", "load_model"))
"""Functions of `rlmesh._cli` that run what the command line names."""

_LEADING = ("importlib", "_frozen_importlib", "gymnasium", "rlmesh", "rlmesh_numpy")
"""Modules that stand between those and the user's own."""


def users_traceback(error: BaseException) -> str:
    """An error's traceback from where the user's own code begins; empty where it has no part."""
    if isinstance(error, UsageProblem):
        if error.__cause__ is None:
            return ""
        error = error.__cause__
    own = _from_user(error.__traceback__)
    return "".join(traceback.format_exception(type(error), error, own)) if own else ""


def _from_user(trace: TracebackType | None) -> TracebackType | None:
    """What is left of a traceback below the last of `_CALLERS`."""
    below = None
    while trace is not None:
        code, module = trace.tb_frame.f_code, trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
        if module.startswith("rlmesh._cli.") and code.co_name in _CALLERS:
            below = trace
    while below is not None and _stands_between(below):
        below = below.tb_next
    return below


def _stands_between(trace: TracebackType) -> bool:
    module = str(trace.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in _LEADING
