"""One thread that looks for the answers of many endpoints, without servers."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from rlmesh._arrival import Arrival
from rlmesh._evaluation import polling
from rlmesh._evaluation.polling import DoneQueue, PollingWorker
from rlmesh._evaluation.workers import Done


class Request:
    """A request whose answer is one byte: "l" is large, "x" an error, all else the result."""

    def __init__(self, reader: socket.socket) -> None:
        self._reader = reader
        self.descriptor = reader.fileno()
        self.data = b""
        self.thread = ""

    def look(self) -> Arrival:
        try:
            self.data = self._reader.recv(1, socket.MSG_DONTWAIT)
        except BlockingIOError:
            return Arrival.PART
        return Arrival.LARGE if self.data == b"l" else Arrival.WHOLE

    def finish(self) -> bytes:
        self.thread = threading.current_thread().name
        data = self.data or self._reader.recv(1)
        if data == b"x":
            raise LookupError("the answer is an error")
        return data


class Endpoint:
    """A worker with the ends of a connection."""

    def __init__(self, number: int, results: DoneQueue) -> None:
        self.worker = PollingWorker(number, results)
        self.ours, self.theirs = socket.socketpair()
        self.request = Request(self.ours)

    def submit(self) -> None:
        self.request = Request(self.ours)
        begin: Any = lambda: self.request  # noqa: E731
        self.worker.submit("step", lambda: b"exchanged", begin)


@pytest.fixture
def results() -> Iterator[DoneQueue]:
    queue = DoneQueue()
    yield queue
    queue.close()


@pytest.fixture
def endpoints(results: DoneQueue) -> Iterator[list[Endpoint]]:
    made = [Endpoint(number, results) for number in range(3)]
    yield made
    for endpoint in made:
        endpoint.worker.finish(None)
        endpoint.theirs.close()
        endpoint.worker.join(10)
        endpoint.ours.close()


def taken(results: DoneQueue, timeout: float | None = 20.0) -> Done:
    done = results.get(timeout)
    assert done is not None
    return done


def test_each_answer_is_found_when_it_comes(results: DoneQueue, endpoints: list[Endpoint]) -> None:
    for endpoint in endpoints:
        endpoint.submit()
    assert results.get(0.0) is None and results.get(0.01) is None
    for number in (2, 0, 1):
        endpoints[number].theirs.send(b"a")
        done = taken(results)
        assert (done.endpoint, done.kind, done.result, done.error) == (number, "step", b"a", None)
        assert endpoints[number].request.thread == threading.current_thread().name
        assert done.begun <= done.ended <= time.perf_counter()


def test_a_large_answer_is_read_by_the_thread_of_its_endpoint(
    results: DoneQueue, endpoints: list[Endpoint]
) -> None:
    endpoints[1].submit()
    endpoints[1].theirs.send(b"l")
    done = taken(results)
    assert (done.endpoint, done.result) == (1, b"l")
    assert endpoints[1].request.thread == "rlmesh-endpoint-1"


def test_a_late_answer_is_waited_for_by_the_thread(
    results: DoneQueue, endpoints: list[Endpoint], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(polling, "LATE_SECONDS", 0.05)
    monkeypatch.setattr(polling, "_SWEEP_SECONDS", 0.02)
    endpoints[0].submit()
    assert results.get(0.3) is None
    endpoints[0].theirs.send(b"a")
    assert taken(results).result == b"a"
    assert endpoints[0].request.thread == "rlmesh-endpoint-0"


def test_an_error_is_the_outcome_of_the_call(results: DoneQueue, endpoints: list[Endpoint]) -> None:
    endpoints[0].submit()
    endpoints[0].theirs.send(b"x")
    assert isinstance(taken(results).error, LookupError)

    def begin() -> Any:
        raise ValueError("no such action")

    endpoints[0].worker.submit("step", lambda: b"exchanged", begin)
    assert isinstance(taken(results).error, ValueError)


def test_what_a_thread_puts_wakes_the_one_that_looks(
    results: DoneQueue, endpoints: list[Endpoint]
) -> None:
    endpoints[0].submit()
    go = threading.Event()
    endpoints[1].worker.submit("open", lambda: go.wait(20))
    threading.Timer(0.05, go.set).start()
    begun = time.monotonic()
    done = taken(results, None)
    assert (done.endpoint, done.kind) == (1, "open")
    assert time.monotonic() - begun < 10


def test_a_call_that_cannot_be_begun_is_made_by_the_thread(
    results: DoneQueue, endpoints: list[Endpoint]
) -> None:
    endpoints[0].worker.submit("step", lambda: b"exchanged", lambda: None)
    assert taken(results).result == b"exchanged"


def test_the_end_waits_for_the_call_that_was_begun(
    results: DoneQueue, endpoints: list[Endpoint]
) -> None:
    endpoints[0].submit()
    endpoints[0].worker.finish(lambda: b"closed")
    endpoints[0].theirs.send(b"a")
    assert [taken(results).result for _ in range(2)] == [b"a", b"closed"]
