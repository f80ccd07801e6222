"""Chunks of a served model with a history, over every transport, in a served environment."""

from __future__ import annotations

from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, ModelServer, RemoteModel
from rlmesh.acting import Latency, RealTimeChunking
from rlmesh.adapters import PredictForm
from tests.property.witness import TAGS, DriftEnv, Witness


@pytest.mark.every_transport
def test_a_served_model_is_called_as_the_local_one() -> None:
    offered = (PredictForm.CHUNK, PredictForm.CHUNK_BATCH)
    plays: list[tuple[dict[str, Any], dict[str, Any]]] = [
        ({"history": 2}, {}),
        ({"history": 3, "stateful": True}, {"execution_horizon": 3}),
        ({"stateful": True}, {"max_batch_size": 1}),
        ({"adapted": False}, {"acting": RealTimeChunking(Latency(steps=2))}),
    ]
    with EnvServer(DriftEnv(), tags=TAGS) as env:
        for kind, play in plays:
            here, there = Witness(offered, **kind), Witness(offered, **kind)
            expected = rlmesh.evaluate(here.model, env.address, seeds=range(3), **play)
            with ModelServer(there.model) as server, RemoteModel(server.address) as remote:
                result = rlmesh.evaluate(remote, env.address, seeds=range(3), **play)
            assert result.rewards == expected.rewards
            assert there.calls == here.calls
