"""Sessions over frames from their beginning, without gRPC (B-15)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import TLS, EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions, errors
from rlmesh._cli.description import describe, describe_any
from rlmesh._transport.address import parse_address
from rlmesh._transport.socket import unix as frames_local
from rlmesh._transport.socket.unix import SUPPORTED
from tests.certificates import issued
from tests.inside import admission_of, connection_of, frame_socket_of, session_of
from tests.integration.envs import CounterEnv, SeenEnv
from tests.processes import until

PLAIN = ["frames", *(["frames+unix"] if SUPPORTED else [])]


@pytest.fixture(autouse=True)
def transport() -> None:
    """Each test chooses its own."""


@pytest.fixture(params=PLAIN)
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return "frames://127.0.0.1:0" if request.param == "frames" else f"frames+unix://{tmp_path}/s"


@pytest.fixture
def server(address: str) -> Iterator[EnvServer]:
    # Without the socket of the same host, so that sessions stay where they began.
    with EnvServer(CounterEnv(), address, options=ServeOptions(frames=False)) as server:
        yield server


def plays(remote: RemoteEnv) -> None:
    with remote:
        assert remote.transport == "frames"
        remote.reset(seed=1)
        assert remote.step(0)[1] == 1.0


def cut(remote: RemoteEnv) -> None:
    session = session_of(remote)
    session._transport.cut()


def test_sessions_follow_each_other(server: EnvServer) -> None:
    for _ in range(20):
        plays(RemoteEnv(server.address))


def test_a_client_that_closes_frees_the_environment_at_once(server: EnvServer) -> None:
    # The next session's stream waits behind the one that is still sending its last answer.
    for _ in range(200):
        RemoteEnv(server.address).close()


def test_a_cut_is_not_noticed(server: EnvServer) -> None:
    reconnects: list[rlmesh.specs.Reconnect] = []
    with RemoteEnv(server.address, on_reconnect=reconnects.append) as remote:
        remote.reset(seed=1)
        for step in range(1, 8):
            cut(remote)
            assert remote.step(0)[0] == step % 5
    assert len(reconnects) == 7


def test_it_is_described_without_a_session(server: EnvServer) -> None:
    with RemoteEnv(server.address):  # Held meanwhile.
        found = describe(server.address, "", None, 10)
        assert describe_any(server.address, "", None, 10) == found
    assert (found.address, found.contract) == (server.address, server.env_contract)
    assert found.terms.grace_period == 30


def test_a_held_environment_is_busy_or_waited_for(server: EnvServer) -> None:
    first = RemoteEnv(server.address)
    with pytest.raises(errors.BusyError, match="held by"):
        RemoteEnv(server.address)
    threading.Timer(0.3, first.close).start()
    plays(RemoteEnv(server.address, wait=20))


def test_a_client_leaves_the_queue_by_going(server: EnvServer) -> None:
    admission = admission_of(server)
    with RemoteEnv(server.address):
        process = subprocess.Popen(
            [sys.executable, "-c", _WAITS, server.address], stderr=subprocess.DEVNULL
        )
        until(lambda: admission.waiting == 1, 60)
        process.kill()
        process.wait(10)
        until(lambda: admission.waiting == 0, 10)


_WAITS = "import sys, rlmesh; rlmesh.RemoteEnv(sys.argv[1], wait=300)"


def test_each_session_has_an_environment_of_its_own(address: str) -> None:
    with (
        EnvServer(factory=CounterEnv, address=address, max_sessions=3) as server,
        RemoteEnv(server.address) as one,
        RemoteEnv(server.address) as two,
    ):
        one.reset(), two.reset()
        assert [one.step(0)[0], one.step(0)[0], two.step(0)[0]] == [1, 2, 1]


def test_a_worker_process_plays_too(address: str) -> None:
    with EnvServer(factory=CounterEnv, address=address, workers="process") as server:
        plays(RemoteEnv(server.address))


def test_a_model_is_served_and_evaluated(server: EnvServer, address: str) -> None:
    where = address if address.startswith("frames:") else f"{address}.model"
    model = rlmesh.Model(lambda observation: 0)
    local = rlmesh.evaluate(model, server.address, seeds=range(3))
    with ModelServer(model, where) as served, RemoteModel(served.address) as remote:
        result = rlmesh.evaluate(remote, server.address, seeds=range(3))
    assert result.rewards == local.rewards


@pytest.mark.skipif(not SUPPORTED, reason="frames in shared memory need Linux")
def test_a_session_of_this_host_moves_to_shared_memory() -> None:
    with (
        EnvServer(CounterEnv(), "frames://127.0.0.1:0") as server,
        RemoteEnv(server.address) as remote,
    ):
        connection = connection_of(remote)
        assert isinstance(connection._frames, frames_local.LocalFrameSocket)
        remote.reset()
        cut(remote)
        assert remote.step(0)[0] == 1


@pytest.mark.skipif(not SUPPORTED, reason="frames in shared memory need Linux")
def test_large_observations_are_in_shared_memory(tmp_path: Path) -> None:
    class Large(SeenEnv):
        observation_space = rlmesh.spaces.Box(0, 255, (300_001,), "uint8")  # type: ignore[assignment]

        def _seen(self) -> rlmesh.Tensor:
            return rlmesh.Tensor(bytes([self.step_count]) * 300_001, "uint8", (300_001,))

    with (
        EnvServer(Large(), f"frames+unix://{tmp_path}/s") as server,
        RemoteEnv(server.address) as remote,
    ):
        assert frame_socket_of(remote)._peer is not None
        remote.reset()
        for count in range(1, 5):
            assert remote.step(0)[0].tobytes() == bytes([count]) * 300_001


@pytest.mark.parametrize("mutual", [False, True])
def test_tls(authority: Any, roots: bytes, mutual: bool) -> None:
    tls, client = issued(authority), TLS(authority=roots)
    if mutual:
        tls = TLS(certificate=tls.certificate, key=tls.key, authority=roots)
        own = issued(authority, "client")
        client = TLS(certificate=own.certificate, key=own.key, authority=roots)
    options = ServeOptions(frames=False)
    with EnvServer(
        CounterEnv(), "framess://127.0.0.1:0", tls=tls, token="s3cret", options=options
    ) as server:
        assert server.address.startswith("framess://")
        with RemoteEnv(server.address, tls=client, token="s3cret") as remote:
            remote.reset(seed=1)
            cut(remote)
            assert remote.step(0)[0] == 1
        with pytest.raises(errors.AuthenticationError):
            RemoteEnv(server.address, tls=client, token="other")
        with pytest.raises(errors.ConnectError, match=r"the server speaks TLS.*framess://"):
            RemoteEnv(server.address.replace("framess", "frames"), token="s3cret")
        if mutual:
            with pytest.raises(errors.ConnectError, match="mutual TLS"):
                RemoteEnv(server.address, tls=TLS(authority=roots), token="s3cret")
        else:
            with pytest.raises(errors.ConnectError, match="not signed by an authority"):
                RemoteEnv(server.address, token="s3cret")


def test_a_loss_without_words_is_not_blank(address: str) -> None:
    def lose() -> None:
        raise ConnectionResetError

    with EnvServer(CounterEnv(), address, options=ServeOptions(grace_period=0)) as server:
        remote = RemoteEnv(server.address)
        frame_socket_of(remote).receive = lose
        with pytest.raises(errors.ConnectionLostError, match=r": ConnectionResetError$"):
            remote.reset()


def test_the_wrong_protocol_is_named(server: EnvServer) -> None:
    where = parse_address(server.address)
    scheme = "unix" if where.is_unix else "tcp"
    with pytest.raises(errors.ConnectError, match=rf"speaks frames.*{re.escape(where.scheme)}://"):
        RemoteEnv(server.address.replace(where.scheme, scheme))


@pytest.mark.parametrize("scheme", ["tcp", "unix"])
def test_the_wrong_protocol_of_a_server_of_grpc_is_named(scheme: str, tmp_path: Path) -> None:
    address = "127.0.0.1:0" if scheme == "tcp" else f"unix://{tmp_path}/s"
    with EnvServer(CounterEnv(), address) as server:
        frames = server.address.replace("tcp:", "frames:").replace("unix:", "frames+unix:")
        with pytest.raises(errors.ConnectError, match=rf"speaks gRPC.*{scheme}://"):
            RemoteEnv(frames, connect_timeout=20)


def test_nobody_there_is_a_connect_error_at_once(address: str) -> None:
    begun = time.monotonic()
    where = address.replace(":0", ":1")
    with pytest.raises(errors.ConnectError, match="not reached by frames"):
        RemoteEnv(where, connect_timeout=60)
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda a: EnvServer(CounterEnv(), a, tls=TLS(b"c", b"k")), "plain text"),
        (lambda a: EnvServer(CounterEnv(), "framess://127.0.0.1:0"), "needs tls=TLS"),
        (
            lambda a: EnvServer(CounterEnv(), a, options=ServeOptions(frames_port=0)),
            "frames already",
        ),
        (
            lambda a: EnvServer(CounterEnv(), a, options=ServeOptions(remote_shutdown=True)),
            "remote_shutdown needs gRPC",
        ),
        (lambda a: RemoteEnv(a, transport="grpc"), "has frames alone"),
        (lambda a: EnvServer(CounterEnv(), "frames+unix://"), "names no socket"),
        (lambda a: EnvServer(CounterEnv(), "frames://192.0.2.1:0"), "cannot listen"),
    ],
)
def test_mistakes_are_refused(make: Callable[[str], Any], words: str, address: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(address)


def test_a_port_in_use_is_refused(server: EnvServer) -> None:
    with pytest.raises(errors.AddressError, match="cannot listen"):
        EnvServer(CounterEnv(), server.address)


def test_a_stop_answers_and_gives_the_reason(server: EnvServer) -> None:
    with closing(RemoteEnv(server.address)) as remote:
        remote.reset()
        server.shutdown()
        with pytest.raises((errors.ShuttingDownError, errors.ConnectionLostError), match="shut"):
            remote.step(0)


def test_a_stop_refuses_who_waits(server: EnvServer) -> None:
    with RemoteEnv(server.address):
        raised: list[BaseException] = []

        def wait() -> None:
            try:
                RemoteEnv(server.address, wait=60)
            except errors.RLMeshError as error:
                raised.append(error)

        waiting = threading.Thread(target=wait)
        waiting.start()
        admission = admission_of(server)
        until(lambda: admission.waiting == 1, 20)
        server.shutdown()
        waiting.join(20)
    assert isinstance(raised[0], errors.ShuttingDownError)


_FORKS = """
import os
import sys
import rlmesh

def play():
    with rlmesh.RemoteEnv(sys.argv[1]) as remote:
        remote.reset()
        return remote.step(0)[0]

play()
child = os.fork()
if not child:
    print(play(), flush=True)
    os._exit(0)
os.waitpid(child, 0)
print(play())
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_after_a_fork_connects(server: EnvServer) -> None:
    assert finished_script(_FORKS, server.address).split() == ["1", "1"]


def finished_script(script: str, address: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", script, address],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert not done.returncode, done.stderr
    return done.stdout


_WITHOUT_GRPC = """
import sys

class Block:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("grpc", "grpc_health", "grpc_reflection"):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Block())

import rlmesh
from rlmesh._cli.description import describe
from tests.integration.envs import CounterEnv

model = rlmesh.Model(lambda observation: 0)
with (
    rlmesh.EnvServer(CounterEnv(), sys.argv[1]) as server,
    rlmesh.ModelServer(model, "frames://127.0.0.1:0") as served,
    rlmesh.RemoteModel(served.address) as remote,
):
    describe(server.address, "", None, 10)
    print(rlmesh.evaluate(remote, server.address, seeds=[0]).total_steps, "grpc" in sys.modules)
"""


def test_grpc_is_never_imported(address: str) -> None:
    assert finished_script(_WITHOUT_GRPC, address).split() == ["3", "False"]


_FIRST_STEP = """
import sys, rlmesh
with rlmesh.RemoteEnv(sys.argv[1]) as remote:
    remote.reset()
    remote.step(1)
unneeded = {"grpc", "numpy", "ssl", "secrets", "tempfile"}
unneeded |= {"rlmesh.adapters", "rlmesh._messages.model", "rlmesh._transport.socket.server"}
print(sorted(unneeded & set(sys.modules)))
"""


def test_a_first_step_imports_what_it_needs() -> None:
    """Certificates, adapters and servers are a quarter of what a client would import."""
    with EnvServer(CounterEnv(), "frames://127.0.0.1:0") as server:
        assert finished_script(_FIRST_STEP, server.address).strip() == "[]"
