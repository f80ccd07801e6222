"""A served model over each transport: which one is had, and that it changes no value."""

from __future__ import annotations

import pickle
import socket
import threading
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlmesh import ModelServer, RemoteModel, ServeOptions, errors
from rlmesh._transport.socket.unix import SUPPORTED
from rlmesh.numpy import Model
from rlmesh.spaces import from_gymnasium
from rlmesh.specs import EnvContract
from tests.inside import connection_of, session_of, sessions_of
from tests.integration.serving import PLAIN, Echo, seen
from tests.processes import running, until

over_frames = pytest.mark.skipif(not SUPPORTED, reason="frames on a Unix socket need Linux")
once = pytest.mark.parametrize("transport", ["grpc"], indirect=True)  # They choose it themselves.


def contract_of(*shape: int) -> EnvContract:
    """Contract of an environment with arrays of bytes as observations and actions."""
    space = from_gymnasium(gymnasium.spaces.Box(0, 255, shape, np.uint8))
    return EnvContract("pixels", space, space)


@pytest.mark.every_transport
def test_the_transport_is_told_once_the_session_is_open(transport: str) -> None:
    with ModelServer(Echo()) as server, RemoteModel(server.address) as remote:
        assert remote.transport is None
        with pytest.raises(TypeError, match="contract of the environment is not known"):
            remote.predict(seen(1))
        fitted = remote.for_contract(PLAIN)
        assert fitted.predict(seen(3)) == 3
        assert fitted.transport == transport and remote.transport is None
        with RemoteModel(server.address, PLAIN) as other:
            assert other.transport == transport


@once
@over_frames
def test_a_transport_can_be_chosen() -> None:
    with ModelServer(Echo()) as server:
        for name in ("grpc", "frames"):
            with RemoteModel(server.address, PLAIN, transport=name) as remote:  # type: ignore[arg-type]
                assert remote.transport == name and remote.predict(seen(5)) == 5
                with pickle.loads(pickle.dumps(remote)) as again:
                    assert again.transport == name and again.predict(seen(6)) == 6


@once
def test_a_transport_that_there_is_not_is_refused() -> None:
    with ModelServer(Echo()) as server, pytest.raises(ValueError, match="'tcp' is not 'auto'"):
        RemoteModel(server.address, PLAIN, transport="tcp")  # type: ignore[arg-type]


@pytest.mark.over_grpc
@pytest.mark.parametrize("options", [ServeOptions(frames=False), ServeOptions(grace_period=0)])
def test_a_server_without_frames_is_reached_over_grpc(options: ServeOptions) -> None:
    with ModelServer(Echo(), options=options) as server:
        with pytest.raises(errors.UnsupportedError, match="not reached over frames"):
            RemoteModel(server.address, PLAIN, transport="frames")
        with RemoteModel(server.address, PLAIN) as remote:
            assert remote.transport == "grpc" and remote.predict(seen(2)) == 2


@once
@pytest.mark.parametrize("token", ["", "secret"])
def test_frames_over_tcp_where_both_ends_ask_for_them(token: str) -> None:
    options = ServeOptions(frames=False, frames_port=0)
    with ModelServer(Echo(), options=options, token=token) as server:
        with RemoteModel(server.address, PLAIN, token=token) as remote:
            assert remote.transport == "grpc"
        with RemoteModel(server.address, PLAIN, token=token, transport="frames") as remote:
            assert remote.transport == "frames" and remote.predict(seen(4)) == 4


@once
def test_a_port_of_frames_that_is_taken_is_an_error_and_leaves_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        before = set(threading.enumerate())  # Those of the test before may be ending.
        with pytest.raises(errors.AddressError, match=str(port)):
            ModelServer(Echo(), options=ServeOptions(frames_port=port))
        assert not set(threading.enumerate()) - before


@pytest.mark.every_transport
@pytest.mark.parametrize("shape", [(3,), (84, 84, 3), (480, 640, 3), (1200, 1200, 4)])
def test_values_of_any_size_arrive_as_they_left(shape: tuple[int, ...], transport: str) -> None:
    kept: list[np.ndarray[Any, Any]] = []

    def inverted(observation: Any) -> Any:
        kept.append(observation)
        return 255 - observation

    chance = np.random.default_rng(0)
    sent = [chance.integers(0, 256, shape, np.uint8) for _ in range(6)]
    with (
        ModelServer(Model(inverted)) as server,
        RemoteModel(server.address, contract_of(*shape)) as remote,
    ):
        answers = [remote.predict(observation) for observation in sent]
        assert remote.transport == transport
    for observation, seen_there, answer in zip(sent, kept, answers):
        np.testing.assert_array_equal(seen_there, observation, "what the model keeps is its own")
        np.testing.assert_array_equal(answer, 255 - observation)


@once
def test_sessions_of_every_transport_share_calls_of_the_model() -> None:
    calls: list[int] = []

    class BatchWindow(Model):
        def predict_batch(self, observations: Any) -> Any:
            calls.append(len(observations))
            return observations[:, 0].astype(int)

    transports = ("frames", "grpc") if SUPPORTED else ("grpc", "grpc")
    options = ServeOptions(max_batch_delay_ms=10_000, max_batch_size=2)
    with ModelServer(BatchWindow(None), options=options) as server:
        remotes = [RemoteModel(server.address, PLAIN, transport=way) for way in transports]  # type: ignore[arg-type]
        answers = [0, 0]

        def ask(index: int) -> None:
            answers[index] = remotes[index].predict(seen(index + 7))

        threads = [threading.Thread(target=ask, args=(i,)) for i in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        for remote in remotes:
            remote.close()
    assert answers == [7, 8] and calls == [2]


_FEW = """
import resource, sys
_, most = resource.getrlimit(resource.RLIMIT_NOFILE)
resource.setrlimit(resource.RLIMIT_NOFILE, (int(sys.argv[1]), most))
"""

_SERVER = f"""{_FEW}
from rlmesh import ModelServer
from tests.integration.serving import Echo
server = ModelServer(Echo())
server.serve(on_ready=lambda: print(server.address, flush=True))
"""

_MANY = f"""{_FEW}
import rlmesh
from tests.integration.serving import PLAIN, seen
remotes = [rlmesh.RemoteModel(sys.argv[2], PLAIN) for _ in range(50)]
answers = sum(remote.predict(seen(2)) for remote in remotes)
ways = [remote.transport for remote in remotes]
print("asked", answers, ways[0], ways[-1], flush=True)
"""


@once
@over_frames
@pytest.mark.parametrize(("of_server", "of_client"), [(120, 1000), (1000, 120)])
def test_sessions_leave_descriptors_to_one_another(of_server: int, of_client: int) -> None:
    """A session over frames takes three of them; the later ones stay on gRPC, with one."""
    with running(["-c", _SERVER, str(of_server)]) as server:
        address = server.wait_for("tcp://.*").group()
        with running(["-c", _MANY, str(of_client), address]) as client:
            told = client.wait_for(r"asked (\d+) (\w+) (\w+)")
    assert told.groups() == ("100", "frames", "grpc")


_CLIENT = """
import sys, time
import rlmesh
from tests.integration.serving import PLAIN, seen
remote = rlmesh.RemoteModel(sys.argv[1], PLAIN)
print("asked", remote.predict(seen(1)), remote.transport, flush=True)
time.sleep(60)
"""


@once
@over_frames
def test_a_client_that_is_killed_leaves_its_place_at_once() -> None:
    with ModelServer(Echo(), max_sessions=1) as server:
        with running(["-c", _CLIENT, server.address]) as client:
            assert client.wait_for(r"asked 1 (\w+)").group(1) == "frames"
            client.process.kill()
        with RemoteModel(server.address, PLAIN, wait=10.0) as remote:
            assert remote.predict(seen(2)) == 2


@pytest.mark.parametrize("idle_timeout", [0.0, 600.0])
def test_a_server_that_is_stopped_waits_for_no_client_to_come_back(idle_timeout: float) -> None:
    before = set(threading.enumerate())
    with ModelServer(Echo(), options=ServeOptions(idle_timeout=idle_timeout)) as server:
        remote = RemoteModel(server.address, PLAIN)
        assert remote.predict(seen(1)) == 1
        (stub,) = remote._stubs.values()
        connection_of(stub).close()
        (session,) = sessions_of(server).values()
        until(lambda: session.lost_at is not None, 20)
    until(lambda: not set(threading.enumerate()) - before, 10)
    session_of(stub)._end("for the test")
