"""Ends of frames that are silent, stopped or killed."""

from __future__ import annotations

import os
import signal
import socket
import struct
from contextlib import ExitStack
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from rlmesh._transport.socket import unix as frames_local
from rlmesh.specs import TransportKind
from tests.inside import connection_of
from tests.integration.envs import CounterEnv
from tests.offers import replace_offer
from tests.processes import running, stop_process, until

UNIX = TransportKind.FRAMES_UNIX

pytestmark = pytest.mark.skipif(not frames_local.SUPPORTED, reason="it needs Linux")


@pytest.fixture(autouse=True)
def transport() -> str:
    """The tests name the transport of each client."""
    return ""


def test_a_server_names_no_socket_but_its_own() -> None:
    with socket.socket(socket.AF_UNIX) as listener, EnvServer(CounterEnv()) as server:
        listener.bind("\0some-service")
        listener.listen()
        listener.settimeout(0.2)
        replace_offer(server, UNIX, "some-service")
        with RemoteEnv(server.address) as remote:
            assert remote.transport == "grpc"
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.fixture
def watchful(monkeypatch: pytest.MonkeyPatch) -> None:
    """Silence is looked into at once, and a stopped process is soon taken as lost."""
    monkeypatch.setattr("rlmesh._transport.socket.unix._LOOK_AFTER", struct.pack("ll", 0, 100_000))
    monkeypatch.setattr("rlmesh._transport.socket.peer_process.STOPPED_SECONDS", 0.3)


CLIENT = """
import os, sys, time
from rlmesh import RemoteEnv
remote = RemoteEnv(sys.argv[1], transport="frames")
remote.reset()
if os.fork() == 0:
    time.sleep(60)  # It has inherited the connection.
    os._exit(0)
print("holding", os.getpid(), flush=True)
time.sleep(60)
"""


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_client_that_is_gone_or_stopped_frees_its_environment(
    watchful: None, sent: signal.Signals
) -> None:
    with (
        EnvServer(CounterEnv(), options=ServeOptions(grace_period=0.2)) as server,
        running(["-c", CLIENT, server.address]) as client,
    ):
        pid = int(client.wait_for(r"holding (\d+)").group(1))
        with pytest.raises(errors.BusyError):
            RemoteEnv(server.address)
        os.kill(pid, sent)
        try:
            with RemoteEnv(server.address, wait=20) as other:
                assert other.reset()[0] == 0
        finally:
            client.process.send_signal(signal.SIGCONT)


HOLDER = """
import sys, time
from rlmesh import RemoteEnv
remote = RemoteEnv(sys.argv[1], transport="frames")
remote.reset()
print("holding", flush=True)
time.sleep(60)
"""


def test_a_client_that_is_killed_frees_its_environment_at_once() -> None:
    with EnvServer(CounterEnv()) as server, running(["-c", HOLDER, server.address]) as client:
        client.wait_for("holding")
        client.process.kill()
        # Within the grace period, of 30 s.
        with RemoteEnv(server.address, wait=10) as other:
            assert other.reset()[0] == 0


SERVER = """
import os, time
from rlmesh import EnvServer
from tests.integration.envs import CounterEnv
class Slow(CounterEnv):
    def step(self, action):
        time.sleep(0.5)
        return super().step(action)
server = EnvServer(Slow())
server.serve(on_ready=lambda: print(server.address, os.getpid(), flush=True))
"""


def test_a_server_that_is_stopped_is_noticed_and_one_that_works_is_not(watchful: None) -> None:
    with running(["-c", SERVER]) as served:
        address, pid = served.wait_for(r"(tcp://\S+) (\d+)").groups()
        remote = RemoteEnv(address, transport="frames")
        remote.reset()
        assert remote.step(1)[0] == 1  # Longer than silence may last.
        connection = connection_of(remote)
        stop_process(int(pid))
        try:
            with pytest.raises(errors.ConnectionLostError, match="stopped"):
                connection.exchange(b"")
        finally:
            os.kill(int(pid), signal.SIGCONT)


def test_the_listener_survives_a_lack_of_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    with EnvServer(CounterEnv()) as server:
        frames = server._frames[0]
        real, failures = (
            frames._listener,
            iter([OSError(24, "too many"), RuntimeError("no thread")]),
        )

        class Poor:
            def accept(self) -> Any:
                for error in failures:
                    if isinstance(error, OSError):
                        raise error
                return real.accept()

            def __getattr__(self, name: str) -> Any:
                return getattr(real, name)

        monkeypatch.setattr(frames, "_listener", Poor())
        for _ in range(3):
            with RemoteEnv(server.address) as remote:
                remote.reset()
        with RemoteEnv(server.address) as remote:
            assert remote.transport == "frames"


def test_there_is_a_limit_to_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._transport.socket.server.MAX_STREAMS", 3)
    with EnvServer(factory=CounterEnv, max_sessions=5) as server, ExitStack() as stack:
        for way in ["frames"] * 3 + ["grpc"]:
            remote = stack.enter_context(RemoteEnv(server.address))
            assert remote.transport == way
        stack.pop_all().close()
        until(lambda: not server._frames[0]._welcoming + len(server._frames[0]._streams), 10)
        with RemoteEnv(server.address) as remote:
            assert remote.transport == "frames"
