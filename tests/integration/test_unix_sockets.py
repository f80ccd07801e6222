"""Unix sockets: reachable by their owner only, reclaimed if stale, never taken from another."""

from __future__ import annotations

import concurrent.futures
import os
import secrets
import signal
import socket
import stat
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh._transport import unix_socket
from rlmesh._transport.address import parse_address
from rlmesh._transport.probe import connect_to, nobody_listens
from rlmesh._transport.socket.client import to_socket
from tests.integration.envs import CounterEnv
from tests.processes import running

pytestmark = pytest.mark.skipif(os.name != "posix", reason="it needs Unix sockets")

SERVER = """
import sys
from rlmesh import EnvServer
from tests.integration.envs import CounterEnv
server = EnvServer(CounterEnv(), sys.argv[1])
server.serve(on_ready=lambda: print("ready", flush=True))
"""


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def play(address: str) -> None:
    with RemoteEnv(address) as remote:
        assert remote.reset()[0] == 0


@pytest.mark.parametrize("umask", [0o000, 0o022])
def test_only_the_owner_reaches_it(tmp_path: Path, umask: int) -> None:
    path = tmp_path / "new" / "deep" / "env.sock"
    before = os.umask(umask)
    try:
        with EnvServer(CounterEnv(), f"unix://{path}") as server:
            assert mode(path) == 0o600
            assert mode(path.parent) == 0o700
            assert mode(tmp_path / "new") == 0o700
            assert os.listdir(path.parent) == ["env.sock"], "nothing is left of the making"
            play(server.address)
    finally:
        os.umask(before)
    assert os.listdir(tmp_path) == [], "the directories that it made are gone with it"


@pytest.mark.own_transport
def test_a_directory_that_it_made_stays_if_something_is_in_it(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "deep"
    with EnvServer(CounterEnv(), f"unix://{folder}/env.sock"):
        (tmp_path / "new" / "notes").write_text("mine")
    assert os.listdir(tmp_path / "new") == ["notes"]


@pytest.mark.own_transport
@pytest.mark.parametrize("name", ["x" * 120, "s.sock"])
def test_a_server_that_cannot_be_made_leaves_no_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def refuse(source: Any, target: Any) -> None:
        raise PermissionError("no links here")

    monkeypatch.setattr(unix_socket.os, "link", refuse)
    with pytest.raises((errors.AddressError, OSError)):
        EnvServer(CounterEnv(), f"unix://{tmp_path}/nodir/deep/{name}")
    assert os.listdir(tmp_path) == []


@pytest.mark.own_transport
def test_it_is_never_open_to_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever it stands while the server is made, its directory or its mode keeps others out."""
    tmp_path.chmod(0o755)
    seen: list[str] = []
    real = os.link

    def look(source: Any, target: Any) -> None:
        for folder, _, files in os.walk(tmp_path):
            for name in files:
                path = Path(folder) / name
                closed = mode(path) == 0o600 or (
                    folder != str(tmp_path) and mode(Path(folder)) == 0o700
                )
                seen.append("closed" if closed else f"{path} is open")
        real(source, target)

    monkeypatch.setattr(unix_socket.os, "link", look)
    before = os.umask(0)
    try:
        with EnvServer(CounterEnv(), f"unix://{tmp_path}/env.sock"):
            pass
    finally:
        os.umask(before)
    assert seen == ["closed"]


def test_a_directory_that_is_there_keeps_its_mode(tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    with EnvServer(CounterEnv(), path=str(tmp_path / "env.sock")) as server:
        assert mode(tmp_path) == 0o750
        play(server.address)


def test_a_relative_path_will_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with EnvServer(CounterEnv(), "unix:env.sock") as server:
        play(server.address)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_what_a_process_leaves(tmp_path: Path, number: int) -> None:
    path = tmp_path / "env.sock"
    address = f"unix://{path}"
    with running(["-c", SERVER, address]) as server:
        server.wait_for("ready")
        play(address)
        server.stop(number)
    assert path.exists() == (number == signal.SIGKILL)
    with EnvServer(CounterEnv(), address):
        assert mode(path) == 0o600
        play(address)
    assert os.listdir(tmp_path) == []


def test_a_live_one_is_not_taken(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/env.sock"
    with EnvServer(CounterEnv(), address):
        with pytest.raises(errors.AddressError, match="another server is listening there"):
            EnvServer(CounterEnv(), address)
        play(address)
    assert os.listdir(tmp_path) == []


def test_of_many_that_start_at_once_one_serves(tmp_path: Path) -> None:
    address = f"unix://{tmp_path}/env.sock"
    servers: list[EnvServer] = []
    refused: list[errors.AddressError] = []
    barrier = threading.Barrier(6)

    def start() -> None:
        barrier.wait()
        try:
            server = EnvServer(CounterEnv(), address)
            server.start()
            servers.append(server)
        except errors.AddressError as error:
            refused.append(error)

    threads = [threading.Thread(target=start) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(servers), len(refused)) == (1, 5), refused
    play(address)
    servers[0].shutdown()
    assert os.listdir(tmp_path) == []


@pytest.mark.own_transport
@pytest.mark.parametrize("kind", ["file", "directory", "link"])
def test_what_is_no_socket_is_left_alone(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "env.sock"
    if kind == "file":
        path.write_text("precious")
    elif kind == "directory":
        path.mkdir()
    else:
        path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(errors.AddressError, match="no socket is there already"):
        EnvServer(CounterEnv(), f"unix://{path}")
    assert os.listdir(tmp_path) == ["env.sock"]
    assert kind != "file" or path.read_text() == "precious"


@pytest.mark.own_transport
def test_a_socket_that_another_has_put_there_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "env.sock"
    with EnvServer(CounterEnv(), f"unix://{path}"):
        path.unlink()
        with socket.socket(socket.AF_UNIX) as other:
            other.bind(str(path))
    assert path.exists()


@pytest.mark.own_transport
def test_a_path_that_is_too_long_is_refused(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 100) / "env.sock"
    with pytest.raises(errors.AddressError, match="too long: sockets have paths of 107 bytes"):
        EnvServer(CounterEnv(), f"unix://{path}")
    assert os.listdir(tmp_path) == []


@pytest.mark.own_transport
@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root writes everywhere")
def test_a_directory_that_cannot_be_written_is_an_error_of_the_address(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(errors.AddressError, match="Permission denied"):
        EnvServer(CounterEnv(), f"unix://{tmp_path}/env.sock")


@pytest.fixture(params=["path", "abstract"])
def crowded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[socket.socket, Any]]:
    """A listener with a full queue, and what connects to it."""
    name = f"rlmesh-{secrets.token_hex(16)}"
    where = parse_address(f"frames+unix://{tmp_path}/s")
    path = where.path if request.param == "path" else f"\0{name}"
    with ExitStack() as stack:
        listener = stack.enter_context(socket.socket(socket.AF_UNIX))
        listener.bind(path)
        listener.listen(0)
        stack.enter_context(socket.socket(socket.AF_UNIX)).connect(path)
        if request.param == "path":
            yield listener, lambda: connect_to(where, 20)
        else:
            yield listener, lambda: to_socket(where, name)


def test_a_client_waits_for_a_server_with_a_full_queue(crowded: tuple[socket.socket, Any]) -> None:
    """The kernel does not wait on Unix sockets with a timeout; many clients may begin at once."""
    listener, connect = crowded
    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        connected = pool.submit(connect)
        with pytest.raises(concurrent.futures.TimeoutError):
            connected.result(0.1)
        accepted = [listener.accept()[0] for _ in range(2)]
        connected.result(20).close()
    for one in accepted:
        one.close()


def test_it_does_not_wait_for_ever(
    crowded: tuple[socket.socket, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlmesh._transport.socket.client._LOCAL_SECONDS", 0.05)
    listener, connect = crowded
    path = listener.getsockname()
    if isinstance(path, str):
        where = parse_address(f"frames+unix://{path}")
        with pytest.raises(TimeoutError, match="queue of connections is full"):
            connect_to(where, 0.05)
        assert not nobody_listens(where)
    else:
        with pytest.raises(errors.ConnectError, match="queue of connections is full"):
            connect()
