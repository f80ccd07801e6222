"""The user's own part of a traceback, if code that a command line names has failed."""

from __future__ import annotations

import traceback
from types import TracebackType

from rlmesh._cli.sources import UsageProblem
from rlmesh.errors import RLMeshError, RunError

__all__ = ["users_traceback"]

_CALLERS = frozenset(("import_module", "find", "make_env", "load_model"))
"""Functions of `rlmesh._cli` that run the code that the command line names."""

_BETWEEN = (
    *("importlib", "_frozen_importlib", "contextlib", "gymnasium", "torch"),
    *("rlmesh", "rlmesh_numpy", "rlmesh_torch", "rlmesh_jax"),
)
"""Modules between those functions and the user's own code."""


def users_traceback(error: BaseException) -> str:
    """Return an error's traceback from the first user code on; empty if there is none."""
    cause = error.__cause__
    if isinstance(error, RunError) and cause is not None and not isinstance(cause, RLMeshError):
        return _text(cause, cause.__traceback__)
    if isinstance(error, UsageProblem):
        return "" if cause is None else _text(cause, _named(cause.__traceback__))
    return _text(error, _named(error.__traceback__))


def _text(error: BaseException, trace: TracebackType | None) -> str:
    while trace is not None:
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        if module.partition(".")[0] not in _BETWEEN:
            break
        trace = trace.tb_next
    return "".join(traceback.format_exception(type(error), error, trace)) if trace else ""


def _named(trace: TracebackType | None) -> TracebackType | None:
    """Return the part of a traceback below the last of `_CALLERS`."""
    below = None
    while trace is not None:
        code, module = trace.tb_frame.f_code, trace.tb_frame.f_globals.get("__name__", "")
        trace = trace.tb_next
        if module.startswith("rlmesh._cli.") and code.co_name in _CALLERS:
            below = trace
    return below
