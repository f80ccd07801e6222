"""Stops of servers whose environment or model hangs, and ends of programs beside such a call."""

from __future__ import annotations

import logging
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from typing import Any

import pytest

from rlmesh import EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions, errors
from tests.integration.envs import CounterEnv, GatedEnv
from tests.integration.serving import PLAIN, Echo, seen
from tests.processes import running, stop_process, until

OPTIONS = ServeOptions(close_timeout=0.5)

RETURNS = 15.0
"""Seconds within which a stop returns; the calls here hang for 30 s."""


class GatedClose(GatedEnv):
    """Its `close` waits, and its steps do not."""

    def step(self, action: Any) -> Any:
        return CounterEnv.step(self, action)

    def close(self) -> None:
        self.pass_gate()
        super().close()


@pytest.fixture(params=["step", "close"])
def env(request: pytest.FixtureRequest) -> Iterator[GatedEnv]:
    env = GatedEnv() if request.param == "step" else GatedClose()
    yield env
    env.go.set()


@contextmanager
def stepping(server: EnvServer, env: GatedEnv) -> Generator[None, None, None]:
    """Have a client in a step, or idle if the steps of the environment do not hang."""
    remote = RemoteEnv(server.address)
    remote.reset()
    if not isinstance(env, GatedClose):
        remote.step_async(0)
        assert env.entered.wait(20)
    yield
    with suppress(errors.RLMeshError):
        remote.close()


def returns(stop: Callable[[], object]) -> None:
    """Check that a function returns on a thread of its own."""
    thread = threading.Thread(target=stop, daemon=True)
    thread.start()
    thread.join(RETURNS)
    assert not thread.is_alive()


def errors_of(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]


@pytest.mark.every_transport
def test_shutdown_leaves_behind_what_hangs(env: GatedEnv, caplog: pytest.LogCaptureFixture) -> None:
    server = EnvServer(env, options=OPTIONS)
    server.start()
    with stepping(server, env):
        returns(server.shutdown)
        assert not env.go.is_set()
        assert [words for words in errors_of(caplog) if "left behind" in words]
        assert server.wait(0)
        returns(server.shutdown)
        # The thread goes on with what it would have done, once it can.
        env.go.set()
        until(lambda: env.closed == 1, 20)


def test_a_with_statement_ends(env: GatedEnv, caplog: pytest.LogCaptureFixture) -> None:
    def stop() -> None:
        with EnvServer(env, options=OPTIONS) as server, suppress(errors.RLMeshError):
            stack = stepping(server, env)
            stack.__enter__()

    returns(stop)
    assert [words for words in errors_of(caplog) if "left behind" in words]


def test_a_factory_with_threads_ends(env: GatedEnv, caplog: pytest.LogCaptureFixture) -> None:
    server = EnvServer(factory=lambda: env, options=OPTIONS)
    server.start()
    with stepping(server, env):
        returns(server.shutdown)
    assert [words for words in errors_of(caplog) if "left behind" in words]


def test_a_server_that_serves_in_a_thread_is_reported_as_stopped(env: GatedEnv) -> None:
    server = EnvServer(env, options=OPTIONS)
    threading.Thread(target=server.serve, daemon=True).start()
    with stepping(server, env):
        returns(server.shutdown)
        assert server.wait(0)


@pytest.mark.every_transport
def test_shutdown_leaves_behind_a_model_that_hangs(caplog: pytest.LogCaptureFixture) -> None:
    model = Echo()
    model.go.clear()
    server = ModelServer(model, options=replace(OPTIONS, grace_period=0.5))
    server.start()
    remote = RemoteModel(server.address, PLAIN)

    def ask() -> None:
        with suppress(errors.RLMeshError):
            remote.predict(seen(3))

    asking = threading.Thread(target=ask, daemon=True)
    asking.start()
    assert model.entered.wait(20)
    returns(server.shutdown)
    assert [words for words in errors_of(caplog) if "left behind" in words]
    model.go.set()
    asking.join(20)


class SlowEnv(GatedEnv):
    """Its `close` takes a second."""

    def close(self) -> None:
        time.sleep(1.0)
        super().close()


def test_close_has_its_own_time_after_a_call(caplog: pytest.LogCaptureFixture) -> None:
    env = SlowEnv()
    server = EnvServer(env, options=ServeOptions(close_timeout=1.5))
    server.start()
    with stepping(server, env):
        threading.Timer(1.0, env.go.set).start()
        returns(server.shutdown)
        assert env.closed == 1
    assert not errors_of(caplog)


@pytest.mark.parametrize(("client_stays", "seconds"), [(True, 1.0), (False, 2.0)])
def test_a_call_that_ends_in_time_is_not_left_behind(
    client_stays: bool, seconds: float, caplog: pytest.LogCaptureFixture
) -> None:
    env = GatedEnv()
    server = EnvServer(env, options=ServeOptions(close_timeout=20))
    server.start()
    with ExitStack() as client:
        client.enter_context(stepping(server, env))
        if not client_stays:
            client.close()
        threading.Timer(seconds, env.go.set).start()
        returns(server.shutdown)
        assert env.closed == 1
    assert not errors_of(caplog)


SERVED = """
from rlmesh import EnvServer, ServeOptions
from tests.integration.test_stops_that_hang import GatedClose
server = EnvServer(factory=GatedClose, options=ServeOptions(close_timeout=0.5))
server.serve(on_ready=lambda: print("ready", flush=True))
print("returned")
"""


@pytest.mark.own_transport
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_serve_returns_though_an_environment_does_not_close(number: int) -> None:
    with running(["-c", SERVED]) as server:
        server.wait_for("ready")
        assert server.stop(number) == 0
        assert "returned" in server.output
        assert "left behind" in server.errors


HANGING = """
import os, threading
from rlmesh import EnvServer, RemoteEnv, ServeOptions
from tests.integration.envs import GatedEnv
env = GatedEnv()
server = EnvServer(env, options=ServeOptions(close_timeout=0.3))
def step():
    remote = RemoteEnv(server.address)
    remote.reset()
    remote.step_async(0)
    env.entered.wait(20)
    print("printed before the end")
    os.write(2, b"entered")
server.serve(on_ready=threading.Thread(target=step, daemon=True).start)
"""


@pytest.mark.own_transport
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_process_that_ends_beside_its_main_thread_loses_no_output(number: int) -> None:
    with running(["-c", HANGING], PYTHONUNBUFFERED="") as server:
        until(lambda: "entered" in server.errors, 60, server)
        assert server.output == ""
        assert server.stop(number) == 128 + number
        assert server.output == "printed before the end\n"
        assert "has not returned" in server.errors


INTERRUPTED = """
import threading
from rlmesh import EnvServer, RemoteEnv, ServeOptions
from tests.integration.envs import GatedEnv
env = GatedEnv()
with EnvServer(env, options=ServeOptions(close_timeout=25)) as server:
    remote = RemoteEnv(server.address)
    remote.reset()
    threading.Thread(target=remote.step, args=(0,), daemon=True).start()
    env.entered.wait(20)
    print("stopping", flush=True)
"""


@pytest.mark.own_transport
def test_ctrl_c_ends_a_program_that_waits_for_a_stop() -> None:
    with running(["-c", INTERRUPTED]) as program:
        program.wait_for("stopping")
        time.sleep(0.5)
        assert program.stop(signal.SIGINT, RETURNS) != 0


IDLE = """
import signal, sys
from rlmesh import RemoteEnv
remotes = [RemoteEnv(sys.argv[1], transport=sys.argv[2]) for _ in range(16)]
for remote in remotes:
    remote.reset()
print("idle", flush=True)
signal.pause()
"""


MANY = """
from rlmesh import EnvServer
from tests.integration.envs import CounterEnv
server = EnvServer(factory=CounterEnv, max_sessions=16)
server.serve(on_ready=lambda: print(server.address, flush=True))
"""


@pytest.mark.every_transport
def test_a_program_ends_beside_a_server_that_is_silent(transport: str) -> None:
    with running(["-c", MANY]) as server:
        address = server.wait_for(r"tcp://\S+").group()
        with running(["-c", IDLE, address, transport]) as program:
            program.wait_for("idle")
            stop_process(server.process.pid)
            try:
                # Each of its 16 sessions waits for a second for the answer to its Close.
                program.stop(signal.SIGINT, 10)
            finally:
                server.process.send_signal(signal.SIGCONT)
