"""What is gone when a server, a connection or a recording has ended: processes, keys and files."""

from __future__ import annotations

import contextlib
import os
import signal
import ssl
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest

from rlmesh import TLS, EnvServer, RemoteEnv, ServeOptions
from rlmesh._transport.socket import tcp as frames_tcp
from tests.certificates import issued
from tests.integration.envs import CounterEnv
from tests.integration.test_orphans import members
from tests.processes import finished, running, until
from tests.size import LONG

PORT = ServeOptions(frames=False, frames_port=0)


@pytest.fixture(autouse=True)
def transport() -> str:
    """The transport is named by each test."""
    return "frames"


# Processes.

FORKING = """
import os, sys, time
from rlmesh import EnvServer
from tests.integration.envs import MischiefEnv
server = EnvServer(factory=MischiefEnv, workers="process", max_sessions=2, spares=1)
server.start()
from rlmesh import RemoteEnv
remote = RemoteEnv(server.address)
worker = remote.reset()[1]["pid"]
child = os.fork()
if not child:
    time.sleep(60)
    os._exit(0)
print("worker", worker, "child", child, flush=True)
time.sleep(60)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="processes are looked at in /proc")
def test_workers_end_with_a_server_whose_child_lives_on() -> None:
    with running(["-c", FORKING]) as server:
        match = server.wait_for(r"worker (\d+) child (\d+)")
        worker, child = int(match[1]), int(match[2])
        group = os.getpgid(worker)
        try:
            server.process.send_signal(signal.SIGKILL)
            server.process.wait(20)
            until(lambda: not members(group), 20)
            os.kill(child, 0)  # It lives on.
        finally:
            for pid in (child, worker):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)


# Keys.


@pytest.fixture
def written(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Files that are made in the temporary folder from now on."""
    names: list[str] = []
    make = tempfile.mkstemp

    def made(*args: Any, **kwargs: Any) -> Any:
        descriptor, path = make(*args, **kwargs)
        names.append(path)
        return descriptor, path

    monkeypatch.setattr(tempfile, "mkstemp", made)
    return names


def both(tls: TLS, roots: bytes) -> TLS:
    return TLS(tls.certificate, tls.key, roots)


@pytest.mark.skipif(not hasattr(os, "memfd_create"), reason="needs memory that is a file")
def test_a_private_key_is_never_in_a_file(
    written: list[str],
    authority: Any,
    roots: bytes,
) -> None:
    server_tls, client_tls = (both(issued(authority), roots) for _ in range(2))
    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=server_tls, options=PORT) as server:
        for _ in range(2):
            with RemoteEnv(server.address, tls=client_tls, transport="frames") as remote:
                assert remote.transport == "frames"
                remote.reset()
    assert written == []


def test_a_key_that_comes_from_a_file_is_not_copied(
    written: list[str],
    authority: Any,
    tmp_path: Path,
) -> None:
    own = issued(authority)
    for name in ("certificate", "key"):
        (tmp_path / name).write_bytes(getattr(own, name))
    frames_tcp._server_context(TLS(tmp_path / "certificate", str(tmp_path / "key")))
    assert written == []


def test_where_it_has_to_be_in_a_file_it_is_there_once(
    written: list[str],
    monkeypatch: pytest.MonkeyPatch,
    authority: Any,
    roots: bytes,
) -> None:
    monkeypatch.delattr(os, "memfd_create", raising=False)
    modes: list[int] = []
    load = ssl.SSLContext.load_cert_chain

    def loaded(self: Any, path: str) -> None:
        modes.append(os.stat(path).st_mode & 0o777)
        load(self, path)

    monkeypatch.setattr(ssl.SSLContext, "load_cert_chain", loaded)
    tls = both(issued(authority), roots)
    with EnvServer(CounterEnv(), "127.0.0.1:0", tls=tls, options=PORT) as server:
        del written[:], modes[:]
        client = both(issued(authority), roots)
        for _ in range(3):
            with RemoteEnv(server.address, tls=client, transport="frames") as remote:
                remote.reset()
    assert len(written) == 1
    assert modes == [0o600]
    assert not [path for path in written if os.path.exists(path)]


# Files of recorders, on a disk that is full: here, files have a limit to their size.

RECORDING = """
import resource, signal, sys, warnings
import numpy, av, pyarrow.parquet, rlmesh
from rlmesh.numpy import Model
from rlmesh.record import TrajectoryRecorder, VideoRecorder
from tests.integration.test_record_evaluate import Lamp
kind, folder, limit = sys.argv[1:]
warnings.simplefilter("ignore")
recorder = (VideoRecorder if kind == "video" else TrajectoryRecorder)(folder)
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
rlmesh.evaluate(Model(lambda _: 1), Lamp(), seeds=[3, 4], hooks=[recorder])
print("evaluated", bool(recorder.failures), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no limit to the size of files")
@pytest.mark.parametrize("kind", ["video", "steps"])
@pytest.mark.parametrize("limit", [0, 3, 200, 700, 1200] if LONG else [0, 700])
def test_a_full_disk_leaves_no_unfinished_recording(kind: str, limit: int, tmp_path: Path) -> None:
    pytest.importorskip("av")
    pytest.importorskip("pyarrow")
    folder = tmp_path / "recordings"
    folder.mkdir()
    finished(["-c", RECORDING, kind, str(folder), str(limit)])
    left = [path.name for path in folder.iterdir() if path.name.endswith(".part")]
    assert left == []


@pytest.mark.parametrize("fails", ["open", "close"])
def test_a_grid_that_cannot_be_written_leaves_nothing(
    fails: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("av")
    from rlmesh._recording import episode_video as film
    from rlmesh._recording import grid

    pixels = __import__("numpy").zeros((32, 32, 3), "uint8")
    one = str(tmp_path / "one.mp4")
    writer = film.VideoFileWriter(one, (32, 32), 10, "libx264")
    writer.add(pixels)
    writer.finish()

    class Full(film.VideoFileWriter):
        def __init__(self, path: str, *args: Any) -> None:
            super().__init__(path, *args)
            Path(path).write_bytes(b"a header")
            if fails == "open":
                self.close()
                raise OSError("no space left on device")

        def close(self) -> None:
            super().close()
            if fails == "close":
                raise OSError("no space left on device")

    monkeypatch.setattr(grid, "VideoFileWriter", Full)
    with pytest.raises(OSError, match="no space"):
        grid.write_grid([one], str(tmp_path / "grid.mp4"), 10, "libx264")
    assert [path.name for path in tmp_path.iterdir()] == ["one.mp4"]
