"""Threads that the system refuses once: they are started when they are needed next."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import pytest

from rlmesh._session.idle_timeout import IdleWatch
from rlmesh._transport.socket import pulse


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Names of the threads that were refused; the first one is."""
    names: list[str] = []
    start = threading.Thread.start

    def fail(thread: threading.Thread) -> None:
        if not names:
            names.append(thread.name)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    return names


def test_sessions_end_when_they_are_idle(refused: list[str]) -> None:
    session: Any = SimpleNamespace(answered_at=0.0)
    sessions, expired = [session], threading.Event()

    def expire(session: Any, limit: float) -> None:
        sessions.clear()
        expired.set()

    watch = IdleWatch(0.01, lambda: sessions, expire)
    with pytest.raises(RuntimeError):
        watch.opened()
    watch.opened()
    assert refused == ["rlmesh-idle"] and expired.wait(20)
    watch.stop()


def test_connections_have_a_pulse(refused: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pulse, "PULSE_SECONDS", 0.01)

    class Connection:
        def __init__(self) -> None:
            self.beats = threading.Event()

        def pulse(self) -> None:
            self.beats.set()

    connection, pulses = Connection(), pulse.Pulse()
    with pytest.raises(RuntimeError):
        pulses.add(connection)
    pulses.add(connection)
    assert refused == ["rlmesh-pulse"] and connection.beats.wait(20)
    pulses.remove(connection)
