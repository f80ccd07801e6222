"""A proxy or tunnel of this host that restarts: the session waits for the whole grace period."""

from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import pytest

from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh._session import client_session
from rlmesh._transport.address import parse_address
from rlmesh._transport.socket.unix import SUPPORTED
from tests.faults import Proxy
from tests.integration.envs import CounterEnv
from tests.processes import running

SERVER = """
import sys
from rlmesh import EnvServer
from tests.integration.envs import CounterEnv
server = EnvServer(CounterEnv(), sys.argv[1])
server.serve(on_ready=lambda: print(server.address, flush=True))
"""


@pytest.fixture(autouse=True)
def transport() -> None:
    """Each test chooses its own."""


@pytest.fixture(autouse=True)
def patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_session, "_ENDED_PATIENCE", 0.1)


@pytest.mark.parametrize("scheme", ["tcp", "frames"])
def test_a_tunnel_that_restarts_is_waited_for(scheme: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._client.transport_choice.TRANSPORTS", ())
    with EnvServer(CounterEnv(), f"{scheme}://127.0.0.1:0") as server:
        first = Proxy(server.address)
        with RemoteEnv(first.address) as remote:
            remote.reset()
            port = parse_address(first.address).port
            first.close()
            threading.Timer(1.0, lambda: proxies.append(Proxy(server.address, port))).start()
            proxies: list[Proxy] = []
            begun = time.monotonic()
            assert remote.step(0)[0] == 1
            assert time.monotonic() - begun >= 0.9
        proxies[0].close()


@pytest.mark.skipif(not SUPPORTED, reason="the kernel reports the peer's process on Linux")
@pytest.mark.parametrize("kind", ["tcp", "frames", "unix", "frames+unix"])
def test_a_server_of_this_host_that_was_killed_is_given_up_early(kind: str, tmp_path: Path) -> None:
    address = f"{kind}://127.0.0.1:0" if kind in ("tcp", "frames") else f"{kind}://{tmp_path}/s"
    with running(["-c", SERVER, address]) as server:
        remote = RemoteEnv(server.wait_for(rf"{kind.replace('+', '[+]')}://\S+").group())
        remote.reset()
        os.kill(server.process.pid, signal.SIGKILL)
        server.process.wait(20)
        begun = time.monotonic()
        with pytest.raises(errors.ConnectionLostError):
            remote.step(0)
        assert time.monotonic() - begun < 20  # Of a grace period of 30 s.
