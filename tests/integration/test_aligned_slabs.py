"""Leaves of large frames in shared memory are read in place, at multiples of 64 bytes (B-17)."""

from __future__ import annotations

import math
import sys
from typing import Any

import gymnasium
import numpy as np
import pytest
from gymnasium.spaces import Box, Dict

from rlmesh import EnvServer, ModelServer, RemoteModel
from rlmesh.numpy import Model, RemoteEnv
from rlmesh.specs import Capability
from rlmesh_numpy._backend import NumpyBackend
from tests.inside import link_of, session_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="B-14 is for Linux")


@pytest.fixture(autouse=True)
def transport() -> str:
    """The transport of these tests is always frames in shared memory."""
    return "frames"


SMALL, LARGE = (84, 84, 3), (640, 640, 3)
"""Of float32: in shared memory at once, and in chunks."""


class CameraEnv(gymnasium.Env[Any, Any]):
    """Its observations and actions have several leaves; each image has the number of its step."""

    def __init__(self, shape: tuple[int, ...] = SMALL) -> None:
        self.observation_space = Dict(
            {"arm": Box(-1, 1, (7,)), "image": Box(-1, 1e9, shape), "state": Box(-1, 1, (33,))}
        )
        self.action_space = Dict({"gripper": Box(-1, 1, (1,)), "torques": Box(-1, 1, (8192,))})
        self.offsets: list[int] = []
        self.count = 0

    def _observation(self) -> dict[str, Any]:
        self.count += 1
        image: Any = self.observation_space["image"]  # type: ignore[index]
        return {
            "arm": np.full(7, 0.5, np.float32),
            "image": np.full(image.shape, self.count, np.float32),
            "state": np.full(33, 0.25, np.float32),
        }

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return self._observation(), {"any": 1}

    def step(self, action: Any) -> Any:
        return self._observation(), float(action["torques"][-1]), False, False, {}


def action(value: float) -> dict[str, Any]:
    return {
        "gripper": np.zeros(1, np.float32),
        "torques": np.full(8192, value, np.float32),
    }


def offset(array: Any) -> int:
    """Return how far from a multiple of 64 an array begins."""
    return int(array.ctypes.data) % 64


ADDRESSES = ("127.0.0.1:0", "frames+unix://{}/socket")


@pytest.mark.parametrize("address", ADDRESSES, ids=["moved", "alone"])
@pytest.mark.parametrize("shape", [SMALL, LARGE], ids=["at once", "in chunks"])
@pytest.mark.parametrize("workers", [None, "thread", "process"])
def test_observations_are_viewed_in_place(
    address: str, shape: tuple[int, ...], workers: Any, tmp_path: Any
) -> None:
    served: dict[str, Any] = {"env": CameraEnv(shape)}
    if workers:
        served = {"factory": lambda: CameraEnv(shape), "workers": workers}
    with (
        EnvServer(address=address.format(tmp_path), **served) as server,
        RemoteEnv(server.address, copy=False) as remote,
    ):
        assert remote.transport == "frames"
        observations = [remote.reset()[0]]
        for number in range(2, 6):
            seen, reward, *_ = remote.step(action(number / 8))
            observations.append(seen)
            assert (seen["image"] == number).all() and (seen["state"] == 0.25).all()
            assert reward == number / 8
    for seen in observations:
        assert offset(seen["image"]) == offset(seen["state"]) == 0


def test_copies_of_large_observations_are_aligned_too() -> None:
    with EnvServer(CameraEnv(LARGE)) as server, RemoteEnv(server.address) as remote:
        assert offset(remote.reset()[0]["image"]) == 0


def offsets_read(monkeypatch: pytest.MonkeyPatch, least: int) -> list[int]:
    """Return a list that the offset of each slab of `least` bytes or more is added to."""
    offsets: list[int] = []
    read = NumpyBackend.from_bytes

    def seen(self: Any, data: Any, leaf: Any, count: Any, copy: bool) -> Any:
        if len(data) >= least:
            offsets.append(offset(np.frombuffer(data, np.uint8)))
        return read(self, data, leaf, count, copy)

    monkeypatch.setattr(NumpyBackend, "from_bytes", seen)
    return offsets


def test_actions_are_read_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    with (
        EnvServer(CameraEnv()) as server,
        RemoteEnv(server.address, copy=False) as remote,
    ):
        remote.reset()
        offsets = offsets_read(monkeypatch, 64)
        remote.step(action(1.0))
    assert len(offsets) == 3 and set(offsets) == {0}


def test_a_model_reads_large_observations_in_place(monkeypatch: pytest.MonkeyPatch) -> None:
    size = 4 * math.prod(LARGE)
    offsets = offsets_read(monkeypatch, size)
    with (
        ModelServer(Model(lambda observation: action(0.5))) as server,
        RemoteModel(server.address) as remote,
    ):
        run = remote.run(CameraEnv(LARGE), max_episodes=1, max_episode_steps=3)
    assert run.episodes[0].steps == 3
    assert offsets.count(0) >= 3, "other slabs of the size are of values of this process"


@pytest.mark.parametrize("copy", [False, True])
@pytest.mark.parametrize("listed", [False, True])
def test_small_slabs_are_aligned_if_both_ends_list_it(
    copy: bool, listed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not listed:
        real = "rlmesh._server.env_server.transport_capabilities"
        monkeypatch.setattr(real, lambda options: {Capability.RESUME, Capability.FRAMES_UNIX})
    with EnvServer(CameraEnv()) as server, RemoteEnv(server.address, copy=copy) as remote:
        assert remote.transport == "frames"
        offsets = offsets_read(monkeypatch, 64)
        assert (remote.reset()[0]["image"] == 1).all()
        assert (set(offsets) == {0}) is (listed and not copy)
        assert remote.step(action(0.5))[1] == 0.5


def test_nothing_is_aligned_over_grpc() -> None:
    with (
        EnvServer(CameraEnv()) as server,
        RemoteEnv(server.address, copy=False, transport="grpc") as remote,
    ):
        assert link_of(session_of(remote)).aligned == 0
        assert (remote.reset()[0]["image"] == 1).all()
