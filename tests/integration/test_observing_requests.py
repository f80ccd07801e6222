"""Requests with observations of steps, as a client sends them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rlmesh import RemoteModel, errors
from rlmesh._messages import env as m
from rlmesh._messages.model import Predict, Predicted
from rlmesh._policy.forms import EpisodeContext
from rlmesh.acting import ActionPrefix
from rlmesh.adapters import PredictForm
from rlmesh.numpy import Model
from rlmesh.specs import Capability
from tests.integration.test_observing import CHUNK_BATCHES, CHUNKS, seen, steps_of
from tests.property.witness import CONTRACT, Witness
from tests.served_in_memory import served_in_memory


def stateful_without_observe() -> Model[Any, Any]:
    witness = Witness(CHUNK_BATCHES, stateful=True)
    del witness.model.source.observe
    return Model(witness.model.source, spec=witness.model.spec)


def test_a_stateful_model_that_cannot_observe_executes_one_action_of_a_chunk() -> None:
    model = stateful_without_observe()
    words = "stateful.* method `observe`"
    with pytest.raises(errors.UnsupportedError, match=f"execution_horizon=1 for a {words}"):
        model.policy(CONTRACT)
    model.policy(CONTRACT, execution_horizon=1)
    one = replace(model.model_spec, chunk_length=1)
    Model(model.source, spec=one).policy(CONTRACT)
    with served_in_memory(model, CONTRACT) as (remote, _):
        with pytest.raises(errors.UnsupportedError, match=words):
            remote.policy(CONTRACT)
        remote.policy(CONTRACT, execution_horizon=1)
        with pytest.raises(errors.UnsupportedError, match="P-17: expected none for a stateful"):
            predict(remote, steps=(1,), observed_counts=(1,), observed=observed(1))


def observed(count: int) -> m.Encoded:
    return m.Encoded([bytes(8 * count)], count)


def predict(remote: RemoteModel, lanes: tuple[int, ...] = (0,), **fields: Any) -> Predicted:
    """Send a request as it is."""
    (stub,) = remote._stubs.values()
    for lane in lanes:
        stub.own_lane(lane)
    one = m.Encoded([bytes(8 * len(lanes))], len(lanes))
    body = Predict(PredictForm.BATCH, lanes, one, **fields)
    return stub._session.request(body, Predicted)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"steps": (1,)}, "steps: P-14: expected none, or one for each of 2 lanes, got 1"),
        ({"steps": (1, 2), "observed": observed(0)}, "counts: P-15: expected one for each"),
        ({"steps": (1, 2), "observed_counts": (0,)}, "counts: P-15: expected one for each"),
        ({"observed_counts": (1, 0), "observed": observed(1)}, "and steps, got 2, and 0 steps"),
        ({"steps": (1, 2), "observed_counts": (1, 0)}, "P-15: expected a batch of 1, .*none"),
        (
            {"steps": (1, 2), "observed_counts": (1, 1), "observed": observed(1)},
            "observed: P-15: expected a batch of 2, the sum of observed_counts, got a batch of 1",
        ),
        (
            {"steps": (1, 2), "observed_counts": (1, 0), "observed": m.Encoded([bytes(8)])},
            "observed: P-15: expected a batch of 1, the sum of observed_counts, got one value",
        ),
        (
            {"steps": (9, 9), "observed_counts": (65_536, 1), "observed": observed(65_537)},
            "observed: M-1: expected at most 65536, got 65537",
        ),
        (
            {"steps": (9, 9), "observed_counts": (1, 1), "observed": m.Encoded([bytes(9)], 2)},
            r"observed\['x'\]: V-4",
        ),
    ],
)
def test_a_request_that_breaks_a_rule_is_refused_before_the_model_is_called(
    fields: dict[str, Any], words: str
) -> None:
    witness = Witness((PredictForm.BATCH,), history=2)
    with served_in_memory(witness.model, CONTRACT) as (remote, _):
        with pytest.raises(errors.RLMeshError, match=words):
            predict(remote, (0, 1), **fields)
        assert witness.calls == []
        predict(remote, (0, 1), steps=(7, 9), observed_counts=(2, 1), observed=observed(3))
    assert steps_of(witness) == [("predict_batch", [7, 9])]


def test_a_prefix_is_that_of_each_context_and_of_one_request() -> None:
    witness = Witness(CHUNK_BATCHES, adapted=False)
    prefix = ActionPrefix((np.float32([1]), np.float32([2])), 1)
    with served_in_memory(witness.model, CONTRACT) as (remote, _):
        one, other = EpisodeContext("a", action_prefix=prefix), EpisodeContext("b")
        both = {"x": np.zeros((2, 2), np.float32)}
        with pytest.raises(errors.InvalidValueError, match=r"action_prefix.* got one for 1 of 2"):
            remote.predict_chunk_batch(both, [one, other])
        other.action_prefix = ActionPrefix((), 0)
        remote.predict_chunk_batch(both, [one, other])
        one.action_prefix = other.action_prefix = None
        remote.predict_chunk_batch(both, [one, other])
        remote.predict_chunk(seen(0))
    prefixes = [[one[8][1] for one in told] for _, told in witness.calls]
    assert prefixes == [[(1, [[1.0], [2.0]]), (0, [])], [None, None], [None]]
    assert prefix.actions[0].tolist() == [1], "the model writes to a copy"


def test_a_prefix_is_not_sent_to_a_server_that_does_not_list_it() -> None:
    context = EpisodeContext("a", action_prefix=ActionPrefix((np.float32([1]),), 1))
    adapted, plain = Witness(CHUNK_BATCHES), Witness(CHUNKS, adapted=False)
    without = frozenset({Capability.ACTION_PREFIX})
    for model, less in ((adapted.model, frozenset()), (plain.model, without)):
        with (
            served_in_memory(model, CONTRACT, without=less) as (remote, _),
            pytest.raises(errors.UnsupportedError, match="CAPABILITY_ACTION_PREFIX"),
        ):
            remote.predict_chunk(seen(0), context)
    with served_in_memory(adapted.model, CONTRACT) as (remote, _):
        remote.predict_chunk(seen(0))
        sent = {"prefix_counts": (1,), "prefix": m.Encoded([bytes(4)], 1), "committed_counts": (1,)}
        with pytest.raises(errors.UnsupportedError, match="P-18: expected none for a model that"):
            predict(remote, **sent)
