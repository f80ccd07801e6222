"""The thread that calls the environment, other uses of that thread, and how it is stopped."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh._env_host.base import EnvHostConfig
from rlmesh._env_host.env_thread import EnvThread
from rlmesh._env_host.thread_worker import ThreadWorker
from tests.inside import stream_of
from tests.integration.envs import CounterEnv
from tests.processes import finished, running, until

SESSION = "/rlmesh.proto.env.v1.EnvService/Session"


class PlacesEnv(CounterEnv):
    """Reports for each step whether the stream called it directly, without a thread between."""

    def __init__(self) -> None:
        super().__init__()
        self.direct: list[bool] = []
        self.threads: set[int] = set()

    def step(self, action: Any) -> Any:
        frame: Any = sys._getframe()
        names = set()
        while frame is not None:
            names.add(frame.f_code.co_name)
            frame = frame.f_back
        self.direct.append("_work" not in names)
        self.threads.add(threading.get_ident())
        return super().step(action)


def play(address: str) -> None:
    with RemoteEnv(address) as remote:
        remote.reset(seed=0)
        remote.step(1)


@contextmanager
def silent_stream(address: str) -> Generator[Iterator[bytes], None, None]:
    """A stream on which nothing is ever sent."""
    idle = threading.Event()

    def requests() -> Iterator[bytes]:
        idle.wait(60)
        return
        yield b""

    with grpc.insecure_channel(address.removeprefix("tcp://")) as channel:
        stream: Any = channel.stream_stream(SESSION)(requests())
        try:
            yield stream
        finally:
            idle.set()
            stream.cancel()


@pytest.mark.every_transport
def test_streams_run_on_the_environments_thread_one_client_after_another() -> None:
    env = PlacesEnv()
    with EnvServer(env) as server:
        for _ in range(20):
            play(server.address)
    assert env.direct == [True] * 20
    assert len(env.threads) == 1


def test_a_second_client_is_refused_while_the_first_is_on_the_thread() -> None:
    with EnvServer(CounterEnv()) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        with pytest.raises(errors.BusyError):
            RemoteEnv(server.address)
        assert remote.step(1)[0] == 1


@pytest.mark.over_grpc
@pytest.mark.every_transport
def test_a_silent_stream_does_not_keep_the_thread(transport: str) -> None:
    env = PlacesEnv()
    with EnvServer(env) as server:
        with silent_stream(server.address) as stream:
            until(lambda: stream_of(server) is not None, 10)
            play(server.address)
            # Frames take the thread from a stream that has no session.
            assert env.direct == [transport == "frames"]
            with pytest.raises(grpc.RpcError):
                next(stream)
        until(lambda: stream_of(server) is None, 10)
        play(server.address)
        assert env.direct[1:] == [True]


@pytest.mark.own_transport
def test_a_silent_stream_does_not_keep_the_server_from_stopping() -> None:
    server = EnvServer(CounterEnv())
    server.start()
    with silent_stream(server.address):
        until(lambda: stream_of(server) is not None, 10)
        server.shutdown()
    assert server.wait(0)


@pytest.mark.every_transport
def test_an_idle_client_does_not_keep_the_server_from_stopping() -> None:
    server = EnvServer(CounterEnv())
    server.start()
    with RemoteEnv(server.address) as remote:
        remote.reset()
        server.shutdown()
        with pytest.raises(errors.ShuttingDownError):
            remote.step(1)


@pytest.mark.every_transport
def test_the_environment_may_stop_its_own_server() -> None:
    class Stops(CounterEnv):
        def step(self, action: Any) -> Any:
            server.shutdown()
            return super().step(action)

    env = Stops()
    server = EnvServer(env)
    server.start()
    with RemoteEnv(server.address) as remote:
        remote.reset()
        assert remote.step(1)[0] == 1  # The call that is running is answered.
        with pytest.raises(errors.RLMeshError):
            remote.step(1)
    assert server.wait(10) and env.closed == 1


class FakeStream:
    """A stream that lasts until it is cancelled."""

    def __init__(self) -> None:
        self.ending = False
        self.begun = threading.Event()
        self._over = threading.Event()

    def run(self) -> None:
        self.begun.set()
        self._over.wait(30)

    def cancel(self) -> None:
        self._over.set()


@pytest.mark.own_transport
def test_a_thread_takes_one_stream_and_then_one_after_it_that_waits() -> None:
    thread = EnvThread()
    assert not thread.offer(FakeStream()), "it has not begun"
    runner = threading.Thread(target=thread.run)
    runner.start()
    first, second, third = FakeStream(), FakeStream(), FakeStream()
    until(lambda: thread.offer(first), 10)
    assert first.begun.wait(10)
    assert not thread.offer(second)
    first.ending = True
    assert thread.offer(second) and not thread.offer(third)
    first.cancel()
    assert second.begun.wait(10)
    thread.stop()
    assert not thread.offer(third), "it is stopping"
    second.cancel()
    runner.join(10)
    with pytest.raises(errors.ClosedError):
        thread.call(lambda: None)


@pytest.mark.own_transport
def test_a_worker_takes_a_stream_while_its_thread_ends_another() -> None:
    """gRPC asks for a place under a lock that the thread needs to end its stream."""
    worker = ThreadWorker(CounterEnv, EnvHostConfig(), 10.0)
    first, second = FakeStream(), FakeStream()
    assert worker.offer(first) and first.begun.wait(10)
    first.ending = True
    taken: list[bool] = []
    asking = threading.Thread(target=lambda: taken.append(worker.offer(second)), daemon=True)
    asking.start()
    asking.join(10)
    assert taken == [True] and not second.begun.is_set()
    first.cancel()
    assert second.begun.wait(10)
    second.cancel()
    worker.release()


@pytest.mark.own_transport
def test_a_stream_that_takes_over_is_not_ended_by_its_own_start() -> None:
    """The thread may begin with it before the one that took over has ended the former stream."""

    class Late:
        """A lock that is left only after the second stream has begun."""

        def __init__(self) -> None:
            self.lock = threading.Lock()

        def __enter__(self) -> None:
            self.lock.acquire()

        def __exit__(self, *error: object) -> None:
            self.lock.release()
            if threading.get_ident() != runner.ident:
                second.begun.wait(10)

    thread = EnvThread()
    first, second = FakeStream(), FakeStream()
    runner = threading.Thread(target=thread.run)
    runner.start()
    until(lambda: thread.offer(first), 10)
    assert first.begun.wait(10)
    first.cancel()  # The server has ended it, and the thread is about to leave it.
    thread._lock = Late()  # type: ignore[assignment]
    assert thread.succeed(second, takes_over=lambda: True)
    assert not second._over.is_set()
    thread.stop()
    second.cancel()
    runner.join(10)


@pytest.mark.own_transport
def test_a_stream_that_comes_too_late_to_take_over_ends_no_newer_one() -> None:
    thread = EnvThread()
    runner = threading.Thread(target=thread.run)
    runner.start()
    older, newer = FakeStream(), FakeStream()
    until(lambda: thread.offer(newer), 10)
    assert newer.begun.wait(10)
    assert thread.succeed(older, takes_over=lambda: False)
    assert not newer._over.is_set()
    thread.stop()
    newer.cancel()
    older.cancel()
    runner.join(10)


def test_ctrl_c_in_a_call_stops_serve_and_the_client_is_told() -> None:
    class Interrupted(CounterEnv):
        def step(self, action: Any) -> Any:
            raise KeyboardInterrupt

    told: list[Exception] = []

    def play_on() -> None:
        with RemoteEnv(server.address) as remote:
            try:
                remote.step(0)
            except errors.RLMeshError as error:
                told.append(error)

    env = Interrupted()
    server = EnvServer(env)
    client = threading.Thread(target=play_on, daemon=True)
    with pytest.raises(KeyboardInterrupt):
        server.serve(on_ready=client.start)
    client.join(20)
    assert env.closed == 1
    assert isinstance(told[0], (errors.ShuttingDownError, errors.TransportError))


@pytest.mark.own_transport
def test_a_signal_that_reaches_another_thread_stops_the_server_too() -> None:
    # As when the kernel picks one of gRPC's threads: nothing interrupts the main thread's wait.
    code = """
import signal, threading, time
import rlmesh
from tests.integration.envs import CounterEnv
server = rlmesh.EnvServer(CounterEnv())
def kill():
    remote = rlmesh.RemoteEnv(server.address)
    remote.reset()
    time.sleep(0.3)  # Until the main thread waits, for a job or for the client's next frame.
    signal.pthread_kill(threading.get_ident(), signal.SIGTERM)
    time.sleep(60)
server.serve(on_ready=threading.Thread(target=kill, daemon=True).start)
"""
    start = time.monotonic()
    done = finished(["-c", code])
    assert done.returncode == 0, done
    assert time.monotonic() - start < 20


SERVES_FORKED_CHILDREN = """
import multiprocessing, os, signal, time
import rlmesh
from tests.integration.envs import CounterEnv

class Forks(CounterEnv):
    def step(self, action):
        seconds, ends = (60, True) if action else (0, False)
        child = multiprocessing.get_context("fork").Process(target=time.sleep, args=(seconds,))
        child.start()
        if ends:
            child.terminate()
        child.join(20)
        return 1, 0.0, False, False, {"exit": child.exitcode}

server = rlmesh.EnvServer(Forks())
server.serve(on_ready=lambda: print(server.address))
print("ended")
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="it forks")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_environment_may_fork(number: int) -> None:
    # As AsyncVectorEnv does, which ends its workers by a signal: it must be theirs alone, and
    # gRPC's handlers of fork() must not make them crash.
    with running(["-W", "ignore", "-c", SERVES_FORKED_CHILDREN]) as server:
        address = server.wait_for("tcp://.*").group()
        with RemoteEnv(address) as remote:
            remote.reset()
            exits = [remote.step(0)[4]["exit"] for _ in range(40)]
            assert exits == [0] * 40
            exits = [remote.step(1)[4]["exit"] for _ in range(20)]
            assert exits == [-signal.SIGTERM] * 20
            assert server.stop(number) == 0
        assert "ended" in server.output
