"""websockets with msgpack: a minimal implementation, raw bytes of the arrays in a message."""

from __future__ import annotations

import os
import tempfile
from contextlib import ExitStack
from typing import Any

import msgpack  # pants: no-infer-dep
import numpy
from websockets.sync.client import unix_connect  # pants: no-infer-dep
from websockets.sync.server import unix_serve  # pants: no-infer-dep

from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program


class Client:
    """A client; its arrays are read-only views of the message."""

    def __init__(self, case: Case, address: str) -> None:
        self._like = environments.make(case).reset(seed=0)[0]
        # Both ends know these; if lengths vary, they are sent with the arrays.
        self._known = [(x.dtype, x.shape) for x in environments.leaves(self._like)]
        self._ragged = case.kind == "ragged"
        self._stack = ExitStack()
        opened = unix_connect(address, compression=None, max_size=None)
        self._connection = self._stack.enter_context(opened)

    def reset(self, seed: int | None) -> Any:
        return self._exchange({"seed": seed})[0]

    def step(self, action: Any) -> tuple[Any, bool]:
        value = action if isinstance(action, int) else action.tobytes()
        observation, (_, terminated, truncated) = self._exchange({"action": value})
        return observation, terminated is True or truncated is True

    def _exchange(self, request: dict[str, Any]) -> tuple[Any, list[Any]]:
        self._connection.send(msgpack.packb(request))
        told, came, rest = msgpack.unpackb(self._connection.recv())
        arrays = [
            numpy.frombuffer(data, dtype).reshape(shape)
            for data, (dtype, shape) in zip(came, told if self._ragged else self._known)
        ]
        return environments.rebuild(self._like, arrays), rest

    def close(self) -> None:
        self._stack.close()


def serve(case: Case, option: str, ready: program.Ready) -> None:
    env = environments.make(case)
    dtype = numpy.asarray(environments.actions(case)[0]).dtype

    def play(connection: Any) -> None:
        for message in connection:
            request = msgpack.unpackb(message)
            if "seed" in request:
                observation, rest = env.reset(seed=request["seed"])[0], [0.0, False, False]
            else:
                action = request["action"]
                if isinstance(action, bytes):
                    action = numpy.frombuffer(action, dtype)
                observation, *parts, _ = env.step(action)
                rest = [x.tobytes() if isinstance(x, numpy.ndarray) else x for x in parts]
            arrays = environments.leaves(observation)
            told = [(x.dtype.str, x.shape) for x in arrays] if case.kind == "ragged" else []
            connection.send(msgpack.packb([told, [_bytes(x) for x in arrays], rest]))

    path = os.path.join(tempfile.mkdtemp(prefix="peers-"), "socket")
    with unix_serve(play, path, compression=None, max_size=None) as server:
        ready(path)
        server.serve_forever()


def _bytes(array: Any) -> Any:
    """Return the bytes of an array, without a copy."""
    return memoryview(numpy.ascontiguousarray(array)).cast("B")


def connect(case: Case, option: str, address: str) -> Client:
    return Client(case, address)


if __name__ == "__main__":
    program.run(connect, serve, versions=["websockets", "msgpack", "gymnasium", "numpy"])
