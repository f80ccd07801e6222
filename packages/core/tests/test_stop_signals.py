"""Signals while a server has the main thread."""

from __future__ import annotations

import signal
import threading
from typing import Any

import pytest

from rlmesh._server.signals import stop_on_signals


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_acts_as_before_and_an_echo_does_not(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    came: list[Any] = []
    stopped = threading.Event()
    before = signal.signal(number, lambda *_: came.append(number))
    try:
        monkeypatch.setattr("rlmesh._server.signals.ECHO_SECONDS", 60.0)
        with stop_on_signals(stopped.set, limit=60.0):
            signal.raise_signal(number)
            signal.raise_signal(number)
            assert stopped.wait(20) and came == []
            monkeypatch.setattr("rlmesh._server.signals.ECHO_SECONDS", 0.0)
            signal.raise_signal(number)
            assert came == [number]
        signal.raise_signal(number)
        assert came == [number, number]
    finally:
        signal.signal(number, before)
