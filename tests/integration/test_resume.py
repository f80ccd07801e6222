"""Sessions that outlive their connections: every step is applied once, and no answer is lost."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from rlmesh.specs import Reconnect
from tests.faults import Proxy
from tests.inside import admission_of, connection_of, sessions_of
from tests.integration.envs import CounterEnv, TallyEnv
from tests.processes import finished, until


@contextmanager
def proxied(env: Any, **options: Any) -> Generator[tuple[EnvServer, Proxy], None, None]:
    with EnvServer(env, options=ServeOptions(**options)) as server, Proxy(server.address) as proxy:
        yield server, proxy


@pytest.mark.own_transport
def test_a_cut_between_steps_is_not_noticed() -> None:
    env = TallyEnv()
    events: list[Reconnect] = []
    with (
        proxied(env) as (_, proxy),
        RemoteEnv(proxy.address, transport="grpc", on_reconnect=events.append) as remote,
    ):
        remote.reset(seed=0)
        for i in range(1, 6):
            assert remote.step(1) == (i, 0.5, False, False, {"action": 1})
            proxy.cut()
    assert env.steps == 5 and env.resets == 1
    assert len(events) >= 4 and all(event.attempts >= 1 for event in events)
    assert len({event.session_id for event in events}) == 1


@pytest.mark.own_transport
def test_a_cut_while_a_step_runs_does_not_apply_it_twice() -> None:
    env = TallyEnv()
    with proxied(env) as (_, proxy), RemoteEnv(proxy.address, transport="grpc") as remote:
        remote.reset()
        env.entered.clear()
        env.go.clear()
        remote.step_async(0)
        assert env.entered.wait(10)
        proxy.cut()
        time.sleep(0.3)  # So that it comes back while the step still runs.
        env.go.set()
        assert remote.step_wait(20)[0] == 1
        assert remote.step(0)[0] == 2
    assert env.steps == 2


@pytest.mark.own_transport
def test_an_answer_that_was_cut_off_is_told_again() -> None:
    env = TallyEnv()
    with proxied(env) as (_, proxy), RemoteEnv(proxy.address, transport="grpc") as remote:
        remote.reset()
        for i in range(1, 11):
            proxy.cut_after(1)
            assert remote.step(0)[0] == i
    assert env.steps == 10


@pytest.mark.own_transport
def test_cuts_at_random_moments_change_nothing() -> None:
    chance = random.Random(7)
    env = TallyEnv()
    with proxied(env) as (_, proxy), RemoteEnv(proxy.address, transport="grpc") as remote:
        remote.reset()
        stop = threading.Event()

        def cuts() -> None:
            while not stop.wait(chance.uniform(0.02, 0.1)):
                if chance.random() < 0.5:
                    proxy.cut()
                else:
                    proxy.cut_after(chance.randrange(1, 2000))

        cutter = threading.Thread(target=cuts)
        cutter.start()
        try:
            seen = []
            while proxy.connections < 25:
                seen.append(remote.step(len(seen) % 2)[0])
        finally:
            stop.set()
            cutter.join()
        assert seen == list(range(1, len(seen) + 1))
    assert env.steps == len(seen)


@pytest.mark.every_transport
def test_a_timeout_leaves_the_step_in_flight() -> None:
    env = TallyEnv()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        env.go.clear()
        remote.step_async(1)
        for _ in range(2):
            with pytest.raises(errors.RequestTimeoutError, match="step_wait"):
                remote.step_wait(0.05)
        with pytest.raises(errors.ConcurrentCallError):
            remote.step(0)
        with pytest.raises(errors.ConcurrentCallError):
            remote.step_async(0)
        env.go.set()
        assert remote.step_wait() == (1, 0.5, False, False, {"action": 1})
        with pytest.raises(RuntimeError, match="no step is under way"):
            remote.step_wait()
        remote.reset_async(3)
        assert remote.reset_wait(10) == (0, {})
    assert env.steps == 1


@pytest.mark.every_transport
def test_closing_waits_for_the_call_that_runs() -> None:
    env = TallyEnv()
    with EnvServer(env) as server:
        remote = RemoteEnv(server.address)
        remote.reset()
        env.go.clear()
        remote.step_async(1)
        threading.Timer(0.3, env.go.set).start()
        remote.close()
        assert env.steps == 1
        assert remote.step_wait(5)[0] == 1


@pytest.mark.every_transport
def test_closing_leaves_a_call_that_hangs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._session.client_session.CLOSE_TIMEOUT", 0.3)
    env = TallyEnv()
    with EnvServer(env, options=ServeOptions(grace_period=0)) as server:
        remote = RemoteEnv(server.address)
        remote.reset()
        env.go.clear()
        remote.step_async(1)
        assert env.entered.wait(10)
        remote.close()
        with pytest.raises(errors.ClosedError, match="while a call was running"):
            remote.step_wait(10)
        with pytest.raises(errors.ClosedError):
            remote.reset()
        env.go.set()
        with RemoteEnv(server.address, wait=20) as other:
            assert other.reset()[0] == 0


@pytest.mark.over_grpc
def test_a_session_that_does_not_come_back_frees_its_environment() -> None:
    with proxied(TallyEnv(), grace_period=0.5) as (server, proxy):
        first = RemoteEnv(proxy.address, transport="grpc")
        first.reset()
        with proxy.refusing():
            proxy.cut()
            until(lambda: _lost(server), 10)
            with pytest.raises(errors.BusyError, match="has lost its connection"):
                RemoteEnv(server.address)
            with RemoteEnv(server.address, wait=10) as second:
                assert second.reset() == (0, {})
                with pytest.raises(errors.ConnectionLostError):
                    first.step(0)
        with pytest.raises(errors.ClosedError):
            first.step(0)


@pytest.mark.every_transport
@pytest.mark.parametrize("started", [0, 1])
def test_a_session_for_which_the_system_has_no_timer_frees_its_environment(
    started: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise nothing would end it, and the environment would be held for ever."""
    monkeypatch.setattr("rlmesh._session.session_manager._LOOK_SECONDS", 0.1)
    start, timers = threading.Timer.start, []

    def fail(timer: threading.Timer) -> None:
        if timer.name == "rlmesh-grace":
            timers.append(timer)
            if len(timers) > started:
                raise RuntimeError("can't start new thread")
        start(timer)

    monkeypatch.setattr(threading.Timer, "start", fail)
    with EnvServer(TallyEnv()) as server:
        first = RemoteEnv(server.address)
        first.reset()
        connection_of(first).cut()
        with RemoteEnv(server.address, wait=10) as second:
            assert second.reset() == (0, {})
        assert len(timers) > started
        first.close()


def _lost(server: EnvServer) -> bool:
    return any(session.lost_at is not None for session in sessions_of(server).values())


@pytest.mark.over_grpc
def test_without_a_grace_period_a_session_ends_with_its_connection() -> None:
    with proxied(TallyEnv(), grace_period=0) as (server, proxy):
        remote = RemoteEnv(proxy.address, transport="grpc")
        remote.reset()
        proxy.cut()
        with pytest.raises(errors.ConnectionLostError):
            remote.step(0)
        with RemoteEnv(server.address, wait=5) as another:
            another.reset()


@pytest.mark.every_transport
def test_a_server_that_was_started_anew_has_no_such_session() -> None:
    server = EnvServer(TallyEnv())
    server.start()
    address = server.address
    remote = RemoteEnv(address)
    remote.reset()
    server._manager.farewell = b""  # It ends without a word, as one that is killed.
    server.shutdown()
    with EnvServer(TallyEnv(), address), pytest.raises(errors.SessionLostError, match="no such"):
        remote.step(0)


@pytest.mark.every_transport
def test_a_server_that_is_gone_is_given_up_after_the_grace_period() -> None:
    server = EnvServer(TallyEnv(), options=ServeOptions(grace_period=1.0))
    server.start()
    remote = RemoteEnv(server.address)
    remote.reset()
    server._manager.farewell = b""  # It ends without a word, as one that is killed.
    server.shutdown()
    with pytest.raises(errors.ConnectionLostError, match="tried"):
        remote.step(0)


@pytest.mark.every_transport
def test_those_in_line_are_served_in_their_order() -> None:
    served: list[int] = []
    with EnvServer(CounterEnv()) as server:
        holder = RemoteEnv(server.address)
        holder.reset()

        def stand(number: int) -> None:
            with RemoteEnv(server.address, wait=30) as remote:
                remote.reset()
                served.append(number)

        line = []
        for number in range(3):
            line.append(threading.Thread(target=stand, args=(number,)))
            line[-1].start()
            until(lambda n=number: admission_of(server).waiting == n + 1, 10)  # type: ignore[misc]
        with pytest.raises(errors.BusyError):
            RemoteEnv(server.address, wait=0.2)
        assert holder.step(1)[0] == 1, "those in line do not keep the holder from its environment"
        holder.close()
        for thread in line:
            thread.join(30)
    assert served == [0, 1, 2]


@pytest.mark.own_transport
def test_gymnasiums_clients_resume_and_step_asynchronously() -> None:
    gym = pytest.importorskip("gymnasium")
    from rlmesh.numpy import RemoteEnv as NumpyEnv

    local, env = gym.make("CartPole-v1"), gym.make("CartPole-v1")
    with proxied(env) as (_, proxy):
        remote = NumpyEnv(proxy.address, transport="grpc")
        remote.reset_async(seed=3)
        assert remote.reset_wait(20)[0].tolist() == local.reset(seed=3)[0].tolist()
        for action in (0, 1, 1, 0):
            proxy.cut()
            remote.step_async(action)
            there, here = remote.step_wait(20), local.step(action)
            assert there[0].tolist() == here[0].tolist() and there[1:] == here[1:]
        remote.close()


@pytest.mark.own_transport
def test_a_vector_resumes() -> None:
    gym = pytest.importorskip("gymnasium")
    from rlmesh.numpy import RemoteVectorEnv

    def make() -> Any:
        return gym.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")

    local = make()
    with proxied(make()) as (_, proxy):
        remote = RemoteVectorEnv(proxy.address, transport="grpc")
        assert remote.reset(seed=1)[0].tolist() == local.reset(seed=1)[0].tolist()
        for i in range(20):
            if i % 5 == 0:
                proxy.cut_after(1)
            actions = [i % 2, 0, 1]
            remote.step_async(actions)
            there, here = remote.step_wait(20), local.step(actions)
            assert there[0].tolist() == here[0].tolist()
            assert there[1].tolist() == here[1].tolist()
        remote.close()


@pytest.mark.own_transport
def test_a_process_that_ends_without_closing_frees_its_environment() -> None:
    code = """
import sys
import rlmesh
remote = rlmesh.RemoteEnv(sys.argv[1])
remote.reset()
remote.step(0)
"""
    with EnvServer(TallyEnv()) as server:
        for _ in range(3):
            done = finished(["-c", code, server.address])
            assert done.returncode == 0, done
            # A process that exits does not wait long for the answer of a busy server to Close.
            until(lambda: not sessions_of(server), 10, "it is free before the grace period ends")
