"""`ModelServicerProvider`: the servicers of a model's sessions, which share the model."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from rlmesh._codec import Validation
from rlmesh._messages import env as m
from rlmesh._model_host.dynamic_batcher import DynamicBatcher
from rlmesh._model_host.fitted_model import FittedModel, FittedModelCache
from rlmesh._model_host.model_servicer import ModelServicer
from rlmesh._session.server_session import RequestRefused, ServerSession, Servicer

__all__ = ["ModelServicerProvider"]


class ModelServicerProvider:
    """Makes the servicers of a model's sessions.

    Args:
        fitted_models: The model, fitted to contracts.
        options: Maximum number of observations in one call of the model, and seconds for which the
            first of them waits.
        validation: What to do with actions outside their space.
        capacity: Maximum number of sessions open at once; None: any number.
        expose_tracebacks: Whether clients see the tracebacks of the model's exceptions.

    Attributes:
        capacity: Maximum number of sessions open at once.
        thread: Batcher that calls the model.
    """

    def __init__(
        self,
        fitted_models: FittedModelCache,
        options: tuple[int, float],
        validation: Validation,
        capacity: int | None,
        *,
        expose_tracebacks: bool,
    ) -> None:
        self.capacity = sys.maxsize if capacity is None else capacity
        self.thread = DynamicBatcher(*options, lambda: self._open)
        self._fitted_models = fitted_models
        self._validation: Validation = validation
        self._expose_tracebacks = expose_tracebacks
        self._lock = threading.Lock()
        self._open = 0

    def offer(self, stream: Any) -> bool:
        """See `ServicerProvider`: the model's thread is for its calls."""
        return False

    def prepare(self, request: m.Open, alive: Callable[[], bool]) -> Callable[[], Servicer]:
        """See `ServicerProvider`: the model is fitted to the session's contract before admission.

        Raises:
            RequestRefused: If the model cannot serve the session's contract.
        """
        if request.contract is None:
            message = "a new session has no contract"
            raise RequestRefused(request.fault or m.Failure(m.ErrorCode.MALFORMED, message))
        return partial(self._take, self._fitted_models.fitted(request.contract))

    def busy(self, sessions: Sequence[ServerSession]) -> m.Failure:
        """See `ServicerProvider`."""
        return m.Failure(
            m.ErrorCode.BUSY,
            f"the model has {self.capacity} sessions, as many as its server allows; wait for one "
            f"to end (wait=), or allow more (max_sessions=)",
            session_closed=True,
        )

    def _take(self, fitted: FittedModel) -> Servicer:
        self._count(1)
        return ModelServicer(
            fitted,
            self.thread,
            self._validation,
            self._ended,
            expose_tracebacks=self._expose_tracebacks,
        )

    def _ended(self) -> None:
        self._count(-1)
        self.thread.left()

    def _count(self, more: int) -> None:
        with self._lock:
            self._open += more
