"""Waiting for a call that ends just when the wait is given up."""

from __future__ import annotations

import concurrent.futures
from typing import Any

import pytest

from rlmesh._client.async_call import AsyncCall


class EndsLate(concurrent.futures.Future[Any]):
    """Ends after the first wait for it has failed, and before that is noticed."""

    def __init__(self, error: BaseException, end: Any) -> None:
        super().__init__()
        self._error: BaseException | None = error
        self._end = end

    def result(self, timeout: float | None = None) -> Any:
        """Fail once, when the result has just come."""
        error, self._error = self._error, None
        if error is None:
            return super().result(timeout)
        if isinstance(self._end, BaseException):
            self.set_exception(self._end)
        else:
            self.set_result(self._end)
        raise error


def pending(error: BaseException, end: Any) -> AsyncCall:
    call = AsyncCall("tcp://127.0.0.1:1")
    call.pending = "step", EndsLate(error, end)
    return call


def test_a_result_that_comes_as_the_time_is_over_is_returned() -> None:
    call = pending(concurrent.futures.TimeoutError(), "the step")
    assert call.wait("step", 0.01) == "the step"
    assert call.pending is None


def test_an_error_that_comes_as_the_time_is_over_is_raised() -> None:
    call = pending(concurrent.futures.TimeoutError(), ValueError("of the step"))
    with pytest.raises(ValueError, match="of the step"):
        call.wait("step", 0.01)
    assert call.pending is None


def test_a_timeout_of_the_call_itself_is_raised() -> None:
    error = concurrent.futures.TimeoutError("of the step")
    with pytest.raises(concurrent.futures.TimeoutError, match="of the step"):
        pending(error, error).wait("step", None)


def test_an_interrupted_wait_leaves_a_result_that_comes_meanwhile() -> None:
    call = pending(KeyboardInterrupt(), "the step")
    with pytest.raises(KeyboardInterrupt):
        call.wait("step", None)
    assert call.wait("step", None) == "the step"
