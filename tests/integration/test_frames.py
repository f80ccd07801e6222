"""Frames on a Unix socket: which sessions use them, what ends them, and that nothing is lost."""

from __future__ import annotations

import os
import socket
import struct
import sys
import threading
import time
from typing import Any

import numpy as np
import pytest

import rlmesh
import rlmesh.numpy
from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from rlmesh._messages import env as m
from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh._transport.socket import unix as frames_local
from rlmesh._transport.socket.framing import FramesEnded, FrameSocket
from rlmesh._transport.socket.shared_memory import PeerSegment
from rlmesh.specs import TransportKind
from tests.inside import connection_of, session_of
from tests.integration.envs import CounterEnv, SeenEnv
from tests.integration.test_resume import TallyEnv
from tests.offers import offered, replace_offer
from tests.processes import until

UNIX = TransportKind.FRAMES_UNIX

pytestmark = pytest.mark.skipif(not frames_local.SUPPORTED, reason="it needs Linux")


@pytest.fixture(autouse=True)
def transport() -> str:
    """Both are named here."""
    return ""


# Sessions that use frames.


def test_a_client_on_this_host_moves_to_frames() -> None:
    with EnvServer(CounterEnv()) as server:
        for asked, got in (("auto", "frames"), ("frames", "frames"), ("grpc", "grpc")):
            with RemoteEnv(server.address, transport=asked) as remote:  # type: ignore[arg-type]
                assert remote.transport == got
                assert remote.reset()[0] == 0
                assert remote.step(1)[0] == 1


@pytest.mark.parametrize("options", [{"frames": False}, {"grace_period": 0}])
def test_a_server_that_offers_none_is_played_over_grpc(options: dict[str, Any]) -> None:
    with EnvServer(CounterEnv(), options=ServeOptions(**options)) as server:
        with RemoteEnv(server.address) as remote:
            assert remote.transport == "grpc"
            assert remote.reset()[0] == 0
        with pytest.raises(errors.UnsupportedError, match="not reached over frames"):
            RemoteEnv(server.address, transport="frames")
        RemoteEnv(server.address).close()


def test_another_word_is_refused() -> None:
    with pytest.raises(ValueError, match="'smoke' is not 'auto', 'grpc' or 'frames'"):
        RemoteEnv("127.0.0.1:1", transport="smoke")  # type: ignore[arg-type]


def test_where_the_socket_is_not_reached_the_session_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    with EnvServer(CounterEnv()) as server:
        replace_offer(server, UNIX, "rlmesh-" + "0" * 32)
        with RemoteEnv(server.address) as remote:
            assert remote.transport == "grpc"
            assert remote.reset()[0] == 0


@pytest.mark.parametrize("end", ["client", "server"])
def test_another_users_peer_is_refused(monkeypatch: pytest.MonkeyPatch, end: str) -> None:
    module = "client" if end == "client" else "unix"
    module = f"rlmesh._transport.socket.{module}.peer_is_same_user"
    monkeypatch.setattr(module, lambda connected: False)
    with EnvServer(CounterEnv()) as server, RemoteEnv(server.address) as remote:
        assert remote.transport == "grpc"
        assert remote.reset()[0] == 0
        assert remote.step(0)[0] == 1


def test_the_peers_user_is_the_kernels_word() -> None:
    here, there = socket.socketpair()
    with here, there:
        assert frames_local.peer_is_same_user(here)


def test_an_impostors_socket_costs_nothing() -> None:
    with socket.socket(socket.AF_UNIX) as listener, EnvServer(CounterEnv()) as server:
        name = f"rlmesh-{os.getpid():032x}"
        listener.bind(f"\0{name}")
        listener.listen()
        replace_offer(server, UNIX, name)

        def answer() -> None:
            connected, _ = listener.accept()
            connected.recv(65536)
            connected.sendall(struct.pack("<I", 3) + b"???")
            connected.close()

        threading.Thread(target=answer, daemon=True).start()
        with RemoteEnv(server.address) as remote:
            assert remote.transport == "grpc"
            assert remote.reset()[0] == 0


# What may be sent there.


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        struct.pack("<I", 5) + b"noise",
        struct.pack("<I", 2**32 - 1),
        struct.pack("<I", 0),
        b"\1\0",
    ],
)
def test_noise_ends_a_connection_and_the_server_lives_on(sent: bytes) -> None:
    with EnvServer(CounterEnv()) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        with socket.socket(socket.AF_UNIX) as noisy:
            noisy.settimeout(20)
            noisy.connect(f"\0{offered(server, UNIX)}")
            noisy.sendall(sent)
            noisy.shutdown(socket.SHUT_WR)
            while noisy.recv(65536):
                pass
        assert remote.step(1)[0] == 1


def test_a_session_does_not_begin_there() -> None:
    from rlmesh._messages import env as m
    from rlmesh._session.versions import this_peer
    from rlmesh._wire.env_codec import EnvWireCodec
    from rlmesh.backends import NATIVE

    codec = EnvWireCodec(NATIVE)
    with EnvServer(CounterEnv()) as server:
        connected = socket.socket(socket.AF_UNIX)
        connected.connect(f"\0{offered(server, UNIX)}")
        there = FrameSocket(connected)
        there.send(codec.write_request(m.Request(0, m.Open(this_peer("x", frozenset())))))
        _, reply = codec.read_reply(there.receive())
        assert isinstance(reply, m.Failure)
        assert reply.code == m.ErrorCode.WRONG_STATE
        with pytest.raises((FramesEnded, OSError)):
            there.receive()
        there.close()


@pytest.mark.parametrize("size", [0, 1, 3, 32_764, 32_765, 65_532, 65_533, 65_540, 5_000_000])
def test_frames_of_every_size_arrive(size: int) -> None:
    here, there = map(FrameSocket, socket.socketpair())
    data = os.urandom(size)
    thread = threading.Thread(target=lambda: [here.send(data), here.send(b"next")])
    thread.start()
    assert there.receive() == data
    assert there.receive() == b"next"
    thread.join()
    here.close()
    with pytest.raises(FramesEnded):
        there.receive()
    there.close()


@pytest.mark.parametrize("step", [1, 3, 4, 5, 7])
def test_pieces_are_put_together(step: int) -> None:
    one, other = socket.socketpair()
    there = FrameSocket(other)
    stream = b"".join(struct.pack("<I", len(x)) + x for x in (b"one", b"", b"three", bytes(70_000)))

    def dribble() -> None:
        for at in range(0, len(stream), step):
            one.sendall(stream[at : at + (step if at < 40 else 9_000)])
            if at >= 40:
                one.sendall(stream[at + 9_000 :])
                return

    thread = threading.Thread(target=dribble)
    thread.start()
    assert [there.receive() for _ in range(4)] == [b"one", b"", b"three", bytes(70_000)]
    thread.join()
    one.close()
    there.close()


def test_a_frame_over_the_limit_is_refused_on_both_ends() -> None:
    one, other = socket.socketpair()
    there = FrameSocket(other)
    with pytest.raises(errors.LimitError):
        there.send(bytes(MAX_MESSAGE_BYTES + 1))
    one.sendall(struct.pack("<I", MAX_MESSAGE_BYTES + 1))
    with pytest.raises(FramesEnded, match="over the limit"):
        there.receive()
    one.close()
    there.close()


def test_large_observations_travel() -> None:
    class Large(SeenEnv):
        observation_space = rlmesh.spaces.Box(0, 255, (2000, 1000, 3), "uint8")  # type: ignore[assignment]

        def _seen(self) -> rlmesh.Tensor:
            return rlmesh.Tensor(bytes([self.step_count]) * 6_000_000, "uint8", (2000, 1000, 3))

    with EnvServer(Large()) as server, RemoteEnv(server.address, transport="frames") as remote:
        remote.reset()
        for count in range(1, 4):
            assert remote.step(0)[0].tobytes() == bytes([count]) * 6_000_000


class HugeEnv(SeenEnv):
    """Its observations go in chunks; it writes each over the one before."""

    def __init__(self) -> None:
        super().__init__()
        self._image = np.zeros(frames_local.CHUNKED_BYTES, np.uint8)
        self.observation_space = rlmesh.spaces.Box(0, 255, self._image.shape, "uint8")  # type: ignore[assignment]

    def _seen(self) -> Any:
        self._image[:] = self.step_count
        return self._image


def test_very_large_observations_are_ones_own() -> None:
    with (
        EnvServer(HugeEnv()) as server,
        rlmesh.numpy.RemoteEnv(server.address, transport="frames") as remote,
    ):
        remote.reset()
        held = []
        for count in range(1, 6):
            image = remote.step(0)[0]
            assert (image == count).all()
            image[:10] = 77
            held.append(image)
        for count, image in enumerate(held, 1):
            assert (image[:10] == 77).all() and (image[10:] == count).all()


def test_a_cut_in_a_very_large_observation_loses_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = 0
    read = PeerSegment.read

    def breaks(self: PeerSegment, page: int, size: int) -> memoryview:
        nonlocal broken
        if page == 3 * 64 and broken < 3:  # The fourth chunk.
            broken += 1
            raise ConnectionResetError
        return read(self, page, size)

    events: list[Any] = []
    env = HugeEnv()
    with (
        EnvServer(env) as server,
        rlmesh.numpy.RemoteEnv(
            server.address, transport="frames", on_reconnect=events.append
        ) as remote,
    ):
        remote.reset()
        monkeypatch.setattr(PeerSegment, "read", breaks)
        for count in range(1, 6):
            assert (remote.step(0)[0] == count).all()
        assert remote.transport == "frames"
    assert broken == len(events) == 3
    assert env.step_count == 5


def test_a_client_that_does_not_read_does_not_keep_the_server() -> None:
    env = HugeEnv()
    with (
        EnvServer(env) as server,
        rlmesh.numpy.RemoteEnv(server.address, transport="frames") as remote,
    ):
        remote.reset()
        remote.step(0)
        session = session_of(remote)
        frame = session._codec.write_request(m.Request(session._sequence + 1, m.Reset()))
        connection_of(remote)._frames.send(frame)  # The answer is never read.
        until(lambda: env.step_count == 0, 10)
        server.shutdown()
        assert server.wait(0)


# What breaks.


@pytest.mark.parametrize("end", ["client", "server"])
def test_a_cut_is_not_noticed_and_frames_come_back(end: str) -> None:
    env = TallyEnv()
    events: list[Any] = []
    with (
        EnvServer(env) as server,
        RemoteEnv(server.address, on_reconnect=events.append) as remote,
    ):
        remote.reset()
        for count in range(1, 20):
            if end == "client":
                connection_of(remote)._frames.cut()
            else:
                for stream in list(server._frames[0]._streams):
                    stream.cancel()
            assert remote.step(1)[0] == count
            assert remote.transport == "frames"
    assert env.steps == 19
    assert len(events) == 19


def test_a_cut_while_a_step_runs_does_not_apply_it_twice() -> None:
    env = TallyEnv()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        env.entered.clear()
        env.go.clear()
        remote.step_async(0)
        assert env.entered.wait(10)
        connection_of(remote)._frames.cut()
        time.sleep(0.3)
        env.go.set()
        assert remote.step_wait(20)[0] == 1
        assert remote.step(0)[0] == 2
    assert env.steps == 2


def test_the_environment_is_called_by_the_thread_that_waits_on_the_socket() -> None:
    names: set[str] = set()

    class Looks(CounterEnv):
        def step(self, action: Any) -> Any:
            frame: Any = sys._getframe()
            while frame is not None:
                names.add(frame.f_code.co_qualname if sys.version_info >= (3, 11) else "")
                frame = frame.f_back
            return super().step(action)

    with EnvServer(Looks()) as server, RemoteEnv(server.address, transport="frames") as remote:
        remote.reset()
        remote.step(1)
    if sys.version_info >= (3, 11):
        assert "_Stream.run" in names
        assert "EnvThread.run" in names


def test_nothing_is_left_behind() -> None:
    before = set(threading.enumerate())
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with EnvServer(CounterEnv()) as server, RemoteEnv(server.address) as remote:
            remote.reset()
    until(lambda: not set(threading.enumerate()) - before, 10)
    until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors + 2, 10)


def test_a_client_that_hangs_up_frees_its_environment_after_its_grace() -> None:
    with EnvServer(CounterEnv(), options=ServeOptions(grace_period=0.3)) as server:
        remote = RemoteEnv(server.address)
        remote.reset()
        connection_of(remote)._frames.cut()
        with RemoteEnv(server.address, wait=20) as other:
            assert other.transport == "frames"
            assert other.reset()[0] == 0
