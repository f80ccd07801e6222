"""Tags that are not those of the spaces are neither served nor read (T-1)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.model.v1 import spec_pb2

import rlmesh
from rlmesh import EnvServer
from rlmesh._env_host.describe_env import describe_env
from rlmesh._session.versions import this_peer
from rlmesh._wire.contract import contract_from_wire, contract_to_wire
from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.model_spec import model_spec_from_wire
from rlmesh.adapters import EnvTags, Feature, TaggedLeaf
from rlmesh.backends import NATIVE
from rlmesh.errors import NewerSpecError
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


@pytest.mark.parametrize("part", ["depth", "segment"])
def test_a_reader_ignores_tags_of_a_newer_spec_and_warns(part: str) -> None:
    message = contract_pb2.EnvContract()
    contract = replace(describe_env(Arm()).contract, tags=GOOD)
    contract_to_wire(contract, message, DynamicEncoder(NATIVE))
    if part == "depth":
        depth = message.tags.observation[0].feature.depth
        depth.near, depth.far, depth.encoding = 0.5, 2.0, 99  # type: ignore[assignment]
    else:
        message.tags.observation[0].path[0].Clear()
    with pytest.warns(RuntimeWarning, match=r"the tags of .* are ignored"):
        assert contract_from_wire(message, NATIVE) == replace(contract, tags=None)


def test_a_spec_with_distances_of_a_newer_spec_is_refused() -> None:
    message = spec_pb2.ModelSpec(predict_forms=[spec_pb2.PREDICT_FORM_SINGLE])
    depth = message.inputs.add(name="x").feature.depth
    depth.near, depth.far, depth.encoding = 0.5, 2.0, 99  # type: ignore[assignment]
    with pytest.raises(NewerSpecError, match="DepthEncoding 99 is one of a newer spec"):
        model_spec_from_wire(message, NATIVE)
