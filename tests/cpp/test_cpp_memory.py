"""Shared memory of the C++ headers (B-14): the vectors, and large values in both directions."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest

from rlmesh import EnvServer
from rlmesh.numpy import RemoteEnv
from tests.conformance.test_memory_vectors import Case, Segment, cases, write
from tests.cpp.programs import FLAGS, compiled
from tests.processes import announced
from tests.size import LONG

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.xdist_group("cpp"),
    pytest.mark.skipif(sys.platform != "linux", reason="B-14 is for Linux"),
]

SIZES = (1_000, 30_000, 5_000_000, *((20_000_000,) if LONG else ()))
"""Bytes of a value: sent, referred to, and in chunks of both sizes."""


def read(segments: Sequence[Segment], act: Any) -> subprocess.CompletedProcess[bytes]:
    """Hand over segments with a first frame, act as the writer, and return what the reader did."""
    program = compiled("tests/memory.cpp", *FLAGS)
    script, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    script.settimeout(20)
    command = [program, str(theirs.fileno())]
    pipe = subprocess.PIPE
    with script, subprocess.Popen(command, pass_fds=[theirs.fileno()], stdout=pipe) as process:
        theirs.close()
        try:
            socket.send_fds(script, [b"\1\0\0\0x"], [one.descriptor for one in segments])
            answer, descriptors, _, _ = socket.recv_fds(script, 5, 2)
            for descriptor in descriptors:
                os.close(descriptor)
            if answer:
                assert (answer, len(descriptors)) == (b"\1\0\0\0x", len(segments))
                act(script)
            output, _ = process.communicate(timeout=60)
        finally:
            process.kill()
            for one in segments:
                os.close(one.descriptor)
    return subprocess.CompletedProcess(command, process.returncode, output)


@pytest.mark.parametrize("case", cases(), ids=lambda case: case.name)
def test_the_reader_reads_the_frame(case: Case) -> None:
    segment, frame = Segment(case.segment_bytes), case.read_frame
    done = read([segment], partial(write, case, segment))
    assert (done.returncode, done.stdout) == ((3, b"") if case.refused else (0, frame))


def refer(script: socket.socket) -> None:
    script.sendall((20_000 | 1 << 31).to_bytes(4, "little") + bytes(4))


def test_what_is_no_sealed_segment_is_refused() -> None:
    unsealed = Segment(65_536)
    os.close(unsealed.descriptor)
    unsealed.descriptor = os.memfd_create("unsealed")
    os.ftruncate(unsealed.descriptor, 65_536)
    assert read([unsealed], refer).returncode == 3
    assert read([Segment(65_536), Segment(65_536)], refer).returncode == 3
    assert read([Segment(512 * 1024 * 1024 + 4096)], refer).returncode == 3
    assert read([], refer).returncode == 3, "a reference without a segment"
    assert read([Segment(65_536)], refer).returncode == 0


class PlusOne(gymnasium.Env[Any, Any]):
    """Observations are the action plus one, byte by byte."""

    def __init__(self, size: int) -> None:
        self.observation_space = gymnasium.spaces.Box(0, 255, (size,), np.uint8)
        self.action_space = self.observation_space

    def reset(self, *, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return np.zeros(self.observation_space.shape or (), np.uint8), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        return action + np.uint8(1), 0.0, False, False, {}


@pytest.mark.parametrize("size", SIZES)
def test_a_python_client_plays_large_values(size: int, tmp_path: Path) -> None:
    program = compiled("tests/images.cpp", *FLAGS)
    generator = np.random.default_rng(size)
    command = [str(program), "serve", f"frames+unix://{tmp_path}/env.sock", str(size)]
    with announced(command) as where, RemoteEnv(where) as remote:
        remote.reset()
        for _ in range(3):
            action = generator.integers(0, 256, size, np.uint8)
            assert np.array_equal(remote.step(action)[0], action + np.uint8(1))
        assert "memfd:rlmesh" in Path("/proc/self/maps").read_text()


@pytest.mark.parametrize("size", SIZES)
def test_a_cpp_client_plays_large_values(size: int, tmp_path: Path) -> None:
    program = compiled("tests/images.cpp", *FLAGS)
    with EnvServer(PlusOne(size), f"frames+unix://{tmp_path}/env.sock") as server:
        for how in ("copy", "view"):
            command = [program, "play", server.address, "3", how]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode, done.stdout.split()[:1]) == (0, ["shared"]), done.stderr
            if (size, how) == (30_000, "view"):
                assert done.stdout == "shared aligned\n"


def test_a_cpp_client_plays_a_cpp_server(tmp_path: Path) -> None:
    program = compiled("tests/images.cpp", *FLAGS)
    for address, how in (
        (f"frames+unix://{tmp_path}/env.sock", ["shared", "aligned"]),
        ("frames://127.0.0.1:0", ["sent"]),
    ):
        with announced([str(program), "serve", address, "300000"]) as where:
            command = [program, "play", where, "20", "view"]
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
            assert (done.returncode, done.stdout.split()) == (0, how), done.stderr
