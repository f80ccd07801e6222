"""Whose memory an observation is, for a client of each library."""

from __future__ import annotations

import importlib
import pickle
from typing import Any

import gymnasium as gym
import numpy as np
import pytest

from rlmesh import EnvServer
from rlmesh._transport.grpc.client import GrpcConnection
from rlmesh._transport.socket.client import FramesConnection
from tests.backends.libraries import open_library


class Images(gym.Env[Any, Any]):
    """Draws into one buffer, which it returns every time: an image full of the step's number."""

    observation_space = gym.spaces.Box(0, 255, (64, 48, 3), np.uint8)
    action_space = gym.spaces.Discrete(2)

    def __init__(self) -> None:
        self.buffer = np.zeros((64, 48, 3), np.uint8)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.buffer[:] = 0
        return self.buffer, {}

    def step(self, action: Any) -> Any:
        self.buffer += 1
        return self.buffer, 0.0, False, False, {}


@pytest.mark.parametrize("name", ["numpy", "torch", "jax"])
def test_an_observation_is_the_callers_own(name: str) -> None:
    with open_library(name) as library, EnvServer(Images()) as server:
        env = importlib.import_module(f"rlmesh.{name}").RemoteEnv(server.address)
        first, _ = env.reset()
        second = env.step(0)[0]
        if library.writable:
            first[0] = 9
        third = env.step(0)[0]
        env.close()
        assert int(second.min()) == int(second.max()) == 1
        assert int(third.min()) == int(third.max()) == 2
        assert int(first[0].max()) == (9 if library.writable else 0)


@pytest.mark.parametrize(
    ("connection", "transport"), [(GrpcConnection, "grpc"), (FramesConnection, "frames")]
)
@pytest.mark.parametrize("name", ["numpy", "torch"])
def test_a_view_that_is_asked_for_is_one_of_what_was_received(
    name: str, monkeypatch: pytest.MonkeyPatch, connection: Any, transport: str
) -> None:
    frames: list[bytes] = []
    exchange = connection.exchange

    def recorded(self: Any, frame: bytes, timeout: float | None = None) -> bytes:
        frames.append(exchange(self, frame, timeout))
        return frames[-1]

    monkeypatch.setattr(connection, "exchange", recorded)
    with open_library(name), EnvServer(Images()) as server:
        client = importlib.import_module(f"rlmesh.{name}").RemoteEnv
        env = client(server.address, copy=False, transport=transport)
        env.reset()
        image = env.step(0)[0]
        frame = np.frombuffer(frames[-1], np.uint8)
        seen = np.asarray(image)
        offset = seen.ctypes.data - frame.ctypes.data
        assert 0 <= offset <= frame.nbytes - seen.nbytes
        if name == "numpy":  # PyTorch has no read-only tensors.
            assert not image.flags.writeable
        assert int(seen.min()) == int(seen.max()) == 1
        data = pickle.dumps(env)
        env.close()
        again = pickle.loads(data)
        again.reset()
        assert np.asarray(again.step(0)[0]).base is not None, "a pickled client keeps its options"
        again.close()
