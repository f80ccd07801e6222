"""A peer of schema 1.1 and one of 1.0 play: what a minor version adds is ignored (E-2 to E-4)."""

from __future__ import annotations

import struct
from typing import Any

import gymnasium
import numpy as np
import pytest
from rlmesh_proto.env.v1 import env_pb2
from rlmesh_proto.model.v1 import model_pb2
from rlmesh_proto.session.v1 import error_pb2

from rlmesh import EnvServer, ModelServer, RemoteModel, ServeOptions
from rlmesh._transport.address import parse_address
from rlmesh._transport.probe import connect_to
from rlmesh.numpy import Model, RemoteEnv, RemoteVectorEnv
from tests.conformance.newer_schema import (
    ADDED_CAPABILITY,
    EXTENSION,
    VERSION,
    newer,
    translated,
)
from tests.integration.raw_frames import hello

ENV = env_pb2.SessionRequest, env_pb2.SessionResponse
MODEL = model_pb2.SessionRequest, model_pb2.SessionResponse
OPTIONS = ServeOptions(frames=False)
"""Sessions stay on the connection that is translated."""


@pytest.fixture(autouse=True)
def final(monkeypatch: pytest.MonkeyPatch) -> None:
    """This code with the final version 1.0.0; a pre-release talks to no other version."""
    for user in (
        "_session.session_link",
        "_session.session_manager",
        "_session.versions",
        "_client.model_stub",
    ):
        monkeypatch.setattr(f"rlmesh.{user}.SPEC_VERSION", "1.0.0")


def play(env: Any, seed: int) -> list[Any]:
    """Return all that an episode gives, or its first 30 steps."""
    seen: list[Any] = [env.reset(seed=seed)]
    for action in np.random.default_rng(seed).integers(2, size=30):
        seen.append(env.step(int(action)))
        if seen[-1][2] or seen[-1][3]:
            break
    return seen


def test_an_episode_of_a_newer_peer_is_that_of_gymnasium() -> None:
    local = gymnasium.make("CartPole-v1")
    with (
        EnvServer(gymnasium.make("CartPole-v1"), "frames://127.0.0.1:0", options=OPTIONS) as server,
        translated(server.address, *ENV) as between,
        RemoteEnv(between.address) as remote,
    ):
        assert remote.observation_space == local.observation_space
        for seed in range(3):
            for found, wanted in zip(play(remote, seed), play(local, seed), strict=True):
                np.testing.assert_equal(found, wanted)
    assert between.enriched > 200


def test_a_vector_and_a_model_of_newer_peers_play() -> None:
    local, lanes = (gymnasium.make_vec("CartPole-v1", 2) for _ in range(2))
    with (
        EnvServer(lanes, "frames://127.0.0.1:0", options=OPTIONS) as server,
        translated(server.address, *ENV) as between,
        RemoteVectorEnv(between.address) as remote,
    ):
        np.testing.assert_equal(remote.reset(seed=1), local.reset(seed=1))
        for _ in range(40):
            actions = np.array([0, 1])
            np.testing.assert_equal(remote.step(actions), local.step(actions))
    with (
        ModelServer(Model(lambda x: int(x[2] > 0)), "frames://127.0.0.1:0") as model,
        translated(model.address, *MODEL) as between,
        RemoteModel(between.address) as served,
    ):
        result = served.run(gymnasium.make("CartPole-v1"), seeds=[0])
        assert result.episodes[0].steps > 20
    assert between.enriched > 30


def test_a_request_that_a_newer_version_adds_is_unsupported_and_the_session_goes_on() -> None:
    request, response = (newer(message) for message in ENV)
    with EnvServer(gymnasium.make("CartPole-v1"), "frames://127.0.0.1:0") as server:
        where = parse_address(server.address)
        with connect_to(where, 20) as connected:
            connected.sendall(hello())

            def ask(message: Any) -> Any:
                data = message.SerializeToString()
                connected.sendall(struct.pack("<I", len(data)) + data)
                (size,) = struct.unpack("<I", connected.recv(4, 0x100))
                return response.FromString(connected.recv(size, 0x100))

            first = request()
            first.open.client.spec_version = VERSION
            first.open.client.capabilities.append(ADDED_CAPABILITY)
            first.open.client.extensions.append(EXTENSION)
            opened = ask(first).open.header
            assert opened.server.spec_version == "1.0.0"
            assert ADDED_CAPABILITY not in opened.server.capabilities
            wave = request(sequence=1)
            wave.wave.text = "hello"
            error = ask(wave).error
            assert (error.code, error.session_closed) == (error_pb2.ERROR_CODE_UNSUPPORTED, False)
            reset = request(sequence=2)
            reset.reset.added_text = "added"
            assert ask(reset).HasField("reset")
