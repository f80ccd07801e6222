"""`Call`: a method of a model for one form; and `Loading`, which happens before the first call."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh.adapters import PredictForm

__all__ = ["METHODS", "Call", "Loading", "calls_of", "observe_of"]

METHODS: Mapping[PredictForm, str] = {
    PredictForm.SINGLE: "predict",
    PredictForm.BATCH: "predict_batch",
    PredictForm.CHUNK: "predict_chunk",
    PredictForm.CHUNK_BATCH: "predict_chunk_batch",
}
"""Name of the method by which a model offers each form."""


class Loading:
    """The loading of a model, once, at the first call of any thread."""

    def __init__(self, load: Callable[[], object] | None) -> None:
        self.done = load is None
        self._load = load
        self._lock = threading.Lock()

    def ensure(self) -> None:
        with self._lock:
            if not self.done:
                assert self._load is not None
                self._load()
                self.done = True


@dataclass(frozen=True)
class Call:
    """A method of a model, for one form."""

    function: Callable[..., Any]
    contextual: bool

    def with_context(self, observation: Any, context: Any) -> Any:
        """Call the method, with the context if it takes one."""
        return (
            self.function(observation, context) if self.contextual else self.function(observation)
        )


def observe_of(source: Any) -> Call | None:
    method = getattr(source, "observe", None)
    return Call(method, _wants_context(method)) if callable(method) else None


def calls_of(source: Any, names: Sequence[str] | None) -> dict[PredictForm, Call]:
    found: dict[PredictForm, Call] = {}
    for form, name in METHODS.items():
        method = getattr(source, name, None) if names is None or name in names else None
        if callable(method):
            found[form] = Call(method, _wants_context(method))
    if not found and callable(source) and names is None:
        found[PredictForm.SINGLE] = Call(source, _wants_context(source))
    if not found:
        wanted = ", ".join(METHODS.values())
        raise TypeError(
            f"a {type(source).__name__} cannot be a model: it is not callable and has no predict "
            f"method (one of {wanted})"
        )
    return found


def _wants_context(function: Callable[..., Any]) -> bool:
    """Return whether a form's second parameter is meant for the context."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    if len(positional) < 2:
        return False
    return positional[1].default is inspect.Parameter.empty or positional[1].name == "context"
