"""The ends of clients: interrupted, dropped, with a call under way, or by a failed constructor."""

from __future__ import annotations

import gc
import signal
import threading
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

from rlmesh import EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions, errors
from tests.inside import sessions_of
from tests.integration.envs import CounterEnv, GatedEnv
from tests.integration.serving import PLAIN, Echo, seen
from tests.processes import running, until


@contextmanager
def hanging() -> Generator[tuple[EnvServer, GatedEnv], None, None]:
    env = GatedEnv()
    with EnvServer(env) as server:
        try:
            yield server, env
        finally:
            env.go.set()


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Seconds that close waits: 1 instead of 5."""
    monkeypatch.setattr("rlmesh._session.client_session.CLOSE_TIMEOUT", 1.0)


@pytest.mark.every_transport
def test_after_ctrl_c_in_a_step_that_hangs_close_returns() -> None:
    with hanging() as (server, env):
        remote = RemoteEnv(server.address)
        remote.reset()

        def interrupt() -> None:
            env.entered.wait(20)
            time.sleep(0.2)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        threading.Thread(target=interrupt, daemon=True).start()
        with pytest.raises(KeyboardInterrupt):
            remote.step(0)
        begun = time.monotonic()
        remote.close()
        assert time.monotonic() - begun < 10
        with pytest.raises(errors.ClosedError):
            remote.reset()


ENDING = """
import sys
from rlmesh import RemoteEnv
remote = RemoteEnv(sys.argv[1], transport=sys.argv[2])
remote.reset()
remote.step_async(0)
try:
    remote.step_wait(timeout=0.3)
except TimeoutError:
    print("late", flush=True)
    if sys.argv[3] == "raise":
        raise
    if sys.argv[3] == "exit":
        sys.exit(3)
"""


@pytest.mark.parametrize(("how", "status"), [("return", 0), ("raise", 1), ("exit", 3)])
def test_a_process_ends_though_a_step_hangs(how: str, status: int, transport: str) -> None:
    with hanging() as (server, env), running(["-c", ENDING, server.address, transport, how]) as one:
        one.wait_for("late")
        begun = time.monotonic()
        assert one.process.wait(20) == status
        assert time.monotonic() - begun < 10
        env.go.set()


@pytest.mark.parametrize(
    "call",
    [
        lambda remote: remote.reset(),
        lambda remote: remote.step(1),
        lambda remote: remote.step_many([1, 1]),
        lambda remote: remote.reset_async(),
        lambda remote: remote.render(),
    ],
    ids=["reset", "step", "step_many", "reset_async", "render"],
)
def test_no_call_overtakes_one_that_is_under_way(call: Callable[[Any], object]) -> None:
    with EnvServer(CounterEnv()) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        remote.step_async(0)
        with pytest.raises(errors.ConcurrentCallError, match=r"step_wait\(\)"):
            call(remote)
        assert remote.step_wait(20)[0] == 1
        assert remote.step(0)[0] == 2


def dropped(clients: list[Any]) -> None:
    """Drop clients without closing them."""
    clients.clear()
    gc.collect()


def mine() -> set[threading.Thread]:
    """Return the threads that are not of a server's pool, which keeps them for the next client."""
    return {thread for thread in threading.enumerate() if "rlmesh-grpc" not in thread.name}


@pytest.mark.every_transport
def test_a_dropped_client_frees_its_environment_at_once() -> None:
    with EnvServer(CounterEnv()) as server:
        clients = [RemoteEnv(server.address)]
        clients[0].reset()
        with pytest.warns(ResourceWarning, match=r"unclosed session .* close\(\)"):
            dropped(clients)
        with RemoteEnv(server.address, wait=10) as other:  # The grace period is 30 s.
            assert other.reset()[0] == 0


@pytest.mark.every_transport
def test_a_client_dropped_in_a_cycle_frees_its_environment_at_once(
    recwarn: pytest.WarningsRecorder,
) -> None:
    with EnvServer(CounterEnv()) as server:
        for _ in range(3):
            cycle: list[Any] = [RemoteEnv(server.address)]
            cycle[0].reset()
            cycle.append(cycle)
            del cycle
            gc.collect()
            RemoteEnv(server.address, wait=5).close()
    assert not [warning for warning in recwarn if "socket" in str(warning.message)]


def test_dropped_models_leave_no_thread() -> None:
    with ModelServer(Echo(), options=ServeOptions(max_batch_delay_ms=0)) as server:
        before = set(threading.enumerate())
        clients: list[Any] = [RemoteModel(server.address, PLAIN) for _ in range(5)]
        assert [client.predict(seen(3)) for client in clients] == [3] * 5
        with pytest.warns(ResourceWarning):
            dropped(clients)
        until(lambda: not sessions_of(server), 20)
        until(lambda: not (mine() - before), 20, mine)


def test_a_client_that_is_closed_warns_of_nothing(recwarn: pytest.WarningsRecorder) -> None:
    with EnvServer(CounterEnv()) as server:
        RemoteEnv(server.address).close()
        gc.collect()  # Clients of earlier tests may go, too.
    assert not [w for w in recwarn if server.address in str(w.message)]


@pytest.mark.every_transport
def test_a_constructor_that_fails_ends_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **options: Any) -> Any:
        raise TypeError("the backend cannot express the space")

    with EnvServer(CounterEnv()) as server, ModelServer(Echo()) as model_server:
        with monkeypatch.context() as patch:
            patch.setattr("rlmesh._client.env_stub.SpaceCodec", broken)
            patch.setattr("rlmesh._client.model_stub.SpaceCodec", broken)
            with pytest.raises(TypeError):
                RemoteEnv(server.address)
            with pytest.raises(TypeError):
                RemoteModel(model_server.address, PLAIN)
        until(lambda: not sessions_of(server), 20)
        until(lambda: not sessions_of(model_server), 20)
        RemoteEnv(server.address).close()


def test_a_gymnasium_client_that_fails_ends_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    gym = pytest.importorskip("rlmesh_numpy.gym")
    numpy_client = pytest.importorskip("rlmesh.numpy").RemoteEnv

    def broken(space: Any) -> Any:
        raise TypeError("Gymnasium has no such space")

    with EnvServer(CounterEnv()) as server:
        with monkeypatch.context() as patch:
            patch.setattr(gym, "spaces_to_gymnasium", broken)
            with pytest.raises(TypeError):
                numpy_client(server.address)
        until(lambda: not sessions_of(server), 20)
