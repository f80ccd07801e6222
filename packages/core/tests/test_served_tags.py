"""Tags that are not those of the spaces are neither served nor read (T-1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer
from rlmesh._env_host.describe_env import describe_env
from rlmesh._session.versions import this_peer
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.adapters import EnvTags, Feature, TaggedLeaf
from rlmesh.backends import NATIVE
from rlmesh.specs import SessionTerms

GOOD = EnvTags((TaggedLeaf(("arm",), Feature("state/arm"), 1, 2),))
BAD = EnvTags(
    (TaggedLeaf(("leg",), Feature("state/leg")), TaggedLeaf(("arm",), Feature("x"), 3, 2))
)


class Arm:
    observation_space = rlmesh.spaces.Dict({"arm": rlmesh.spaces.Box(0.0, 1.0, (4,))})
    action_space = rlmesh.spaces.Discrete(2)

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        return {"arm": [0.0] * 4}, {}

    def step(self, action: int) -> Any:
        return {"arm": [0.0] * 4}, 0.0, False, False, {}

    def close(self) -> None:
        pass


def test_a_server_refuses_them_and_says_why() -> None:
    with pytest.raises(ValueError, match="leg") as caught:
        EnvServer(Arm(), tags=BAD)
    assert "arm" in str(caught.value)
    with EnvServer(Arm(), tags=GOOD) as server, rlmesh.RemoteEnv(server.address) as remote:
        assert remote.env_contract.tags == GOOD


def test_a_reader_ignores_them_and_warns() -> None:
    frames = EnvWireCodec(NATIVE)
    contract = replace(describe_env(Arm()).contract, tags=BAD)
    sent = frames.write_description(this_peer("", frozenset()), contract, SessionTerms())
    with pytest.warns(RuntimeWarning, match="leg"):
        _, read, _ = frames.read_description(sent)
    assert read == replace(contract, tags=None)
