"""The floors: an echo of the same bytes on a Unix socket, a memcpy of them, a step in process."""

from __future__ import annotations

import os
import socket
import tempfile
from typing import Any

import numpy

from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program


class Echo:
    """A client that sends as many bytes as an action has, and receives those of an observation."""

    def __init__(self, case: Case, address: str) -> None:
        sent, received = _sizes(case)
        self._request = bytes(sent)
        self._buffer = memoryview(bytearray(received))
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(address)

    def reset(self, seed: int | None) -> None:
        self.step(None)

    def step(self, action: Any) -> tuple[None, bool]:
        self._socket.sendall(self._request)
        self._socket.recv_into(self._buffer, 0, socket.MSG_WAITALL)
        return None, False

    def close(self) -> None:
        self._socket.close()


class Memcpy:
    """A client that copies the arrays of an observation into existing arrays."""

    def __init__(self, case: Case) -> None:
        observation = environments.make(case).reset(seed=0)[0]
        self._pairs = [(numpy.empty_like(x), x) for x in environments.leaves(observation)]

    def reset(self, seed: int | None) -> None:
        self.step(None)

    def step(self, action: Any) -> tuple[None, bool]:
        for target, source in self._pairs:
            numpy.copyto(target, source)
        return None, False

    def close(self) -> None:
        self._pairs.clear()


class InProcess:
    """A client that steps the environment in its own process."""

    def __init__(self, case: Case) -> None:
        self._env = environments.make(case)
        self._vector = case.kind == "vector"

    def reset(self, seed: int | None) -> Any:
        return self._env.reset(seed=seed)[0]

    def step(self, action: Any) -> tuple[Any, bool]:
        observation, _, terminated, truncated, _ = self._env.step(action)
        return observation, not self._vector and (terminated or truncated)

    def close(self) -> None:
        self._env.close()


def _sizes(case: Case) -> tuple[int, int]:
    return environments.step_bytes(case, environments.make(case).reset(seed=0)[0])


def serve(case: Case, option: str, ready: program.Ready) -> None:
    sent, answered = _sizes(case)
    answer = memoryview(numpy.resize(numpy.arange(251, dtype=numpy.uint8), answered))
    path = os.path.join(tempfile.mkdtemp(prefix="peers-"), "echo")
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(path)
        listener.listen()
        ready(path)
        connection, _ = listener.accept()
    os.unlink(path)
    os.rmdir(os.path.dirname(path))
    with connection:
        while connection.recv(sent, socket.MSG_WAITALL):
            connection.sendall(answer)


def connect(case: Case, option: str, address: str) -> Any:
    if option == "echo":
        return Echo(case, address)
    return Memcpy(case) if option == "memcpy" else InProcess(case)


if __name__ == "__main__":
    program.run(connect, serve, versions=["gymnasium", "numpy"], checks=False)
