"""Dynamic batching: requests of many sessions in one call, with the same results as alone."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rlmesh import ModelServer, RemoteModel, ServeOptions, errors
from rlmesh._messages import env as m
from rlmesh._messages.model import Predicted
from rlmesh._model_host.dynamic_batcher import (
    DynamicBatcher,
    EpisodeFacts,
    PredictRequest,
)
from rlmesh._model_host.fitted_model import FittedModel
from rlmesh._policy.forms import EpisodeContext
from rlmesh.acting import ActionPrefix
from rlmesh.adapters import PredictForm
from rlmesh.numpy import Model
from rlmesh.spaces import Box, Dict, Discrete, Sequence
from rlmesh.specs import EnvContract
from tests.integration.serving import (
    LONG_MS,
    MIXED,
    PLAIN,
    SPEC,
    TAGGED,
    BatchEcho,
    ChunkEcho,
    Echo,
    asked,
    at_once,
    clients,
    seen,
)
from tests.property.witness import CONTRACT, Witness


def test_requests_of_all_sessions_are_one_call() -> None:
    model = BatchEcho()
    with clients(model, 6) as remotes:
        for n in range(3):
            numbers = [10 * n + i + 20 for i in range(6)]
            begun = time.monotonic()
            assert asked(remotes, numbers) == [100 * (n + 1) + m for m in numbers]
            assert time.monotonic() - begun < LONG_MS / 1000, "nobody else can ask"
    assert [len(call) for call in model.calls] == [6, 6, 6]
    assert len(model.threads) == 1


def test_a_batch_is_not_larger_than_allowed() -> None:
    model = BatchEcho()
    with clients(model, 5, max_batch_size=2, max_batch_delay_ms=200) as remotes:
        assert asked(remotes, range(20, 25)) == [120, 121, 122, 123, 124]
    assert sorted(len(call) for call in model.calls) == [1, 2, 2]


def test_a_batch_size_of_one_gathers_nothing() -> None:
    model = BatchEcho()
    with clients(model, 4, max_batch_size=1) as remotes:
        assert asked(remotes, range(20, 24)) == [120, 121, 122, 123]
    assert [len(call) for call in model.calls] == [1, 1, 1, 1]


def test_the_first_one_waits_no_longer_than_the_delay() -> None:
    model = BatchEcho()
    with clients(model, 2, max_batch_delay_ms=200) as remotes:
        begun = time.monotonic()
        assert remotes[0].predict(seen(20)) == 120
        assert 0.15 < time.monotonic() - begun < 5, "the other session could have asked"


def test_without_a_delay_those_are_gathered_that_came_meanwhile() -> None:
    model = BatchEcho()
    with clients(model, 4, max_batch_delay_ms=0) as remotes:
        for remote in remotes:
            remote.start_episode()
        model.go.clear()
        first = threading.Thread(target=remotes[0].predict, args=(seen(20),))
        first.start()
        assert model.entered.wait(10)
        threading.Timer(0.5, model.go.set).start()
        assert asked(remotes[1:], [21, 22, 23]) == [121, 122, 123]
        first.join()
    assert [len(call) for call in model.calls] == [1, 3]


def test_batches_and_single_observations_are_joined() -> None:
    model = BatchEcho()
    batch = np.array([[30, 0], [31, 0], [32, 0]], np.float32)
    with clients(model, 2) as (one, several):
        answers = at_once(
            [lambda: one.predict(seen(20)), lambda: several.predict_batch(batch).tolist()]
        )
    assert answers == [120, [130, 131, 132]]
    assert [sorted(call) for call in model.calls] == [[20, 30, 31, 32]]


def test_chunks_are_joined_and_apart_from_single_actions() -> None:
    model = ChunkEcho()
    with clients(model, 4, max_batch_delay_ms=200) as remotes:
        answers = at_once(
            [
                lambda: remotes[0].predict_chunk(seen(20)).tolist(),
                lambda: remotes[1].predict_chunk_batch(np.array([seen(30), seen(40)])).tolist(),
                lambda: remotes[2].predict(seen(50)),
                lambda: remotes[3].predict_chunk(seen(60), max_chunk_length=2).tolist(),
            ]
        )
    assert answers == [[20, 21, 22], [[30, 31, 32], [40, 41, 42]], 50, [60, 61]]
    assert sorted(sorted(call) for call in model.calls) == [[20, 30, 40], [50], [60]]


def test_a_failing_request_fails_alone() -> None:
    model = BatchEcho()
    with clients(model, 5) as remotes:
        answers = asked(remotes, [20, 13, 22, 13, 24])
        assert [a for a in answers if not isinstance(a, Exception)] == [120, 122, 124]
        assert [isinstance(a, errors.ModelError) for a in answers] == [0, 1, 0, 1, 0]
        assert sorted(len(call) for call in model.calls) == [1, 1, 1, 1, 1, 5]
        # What the call of all of them had counted was set back: each has been asked once.
        assert asked(remotes, range(30, 35)) == [230, 231, 232, 233, 234]


def test_a_batch_of_the_wrong_length_is_tried_one_by_one() -> None:
    class Short(BatchEcho):
        def predict_batch(self, observations: Any, context: Any) -> Any:
            self.note(observations[:, 0])
            return observations[:1, 0].astype(int)

    model = Short()
    with clients(model, 3) as remotes:
        assert asked(remotes, [1, 2, 3]) == [1, 2, 3]
    assert sorted(len(call) for call in model.calls) == [1, 1, 1, 3]


class Outside(BatchEcho):
    """Answers with numbers of which those above 1000 are no actions."""

    def predict_batch(self, observations: Any, context: Any) -> Any:
        self.note(observations[:, 0])
        return observations[:, 0].astype(int) * 20


def test_an_action_that_is_none_is_that_of_its_session_alone() -> None:
    model = Outside()
    with clients(model, 3) as remotes:
        answers = asked(remotes, [1, 90, 3])
    assert [answers[0], answers[2]] == [20, 60]
    assert isinstance(answers[1], errors.ModelError) and answers[1].path == "action"
    assert len(model.calls) == 1, "the model has not failed"


class Sum(Model):
    calls = 0

    def predict_batch(self, observations: Any) -> Any:
        self.calls += 1
        assert not (observations["state"] == 13).any(), "13"
        return observations["state"].sum(axis=1)


def test_histories_of_lanes_are_apart_and_survive_a_failed_batch() -> None:
    model = Sum(None, spec=SPEC)
    with clients(model, 3, TAGGED) as remotes:

        def ask(numbers: Any) -> list[Any]:
            def one(remote: RemoteModel, number: float) -> float:
                return float(remote.predict({"x": np.full(2, number, np.float32)})[0])

            return at_once([lambda r=r, n=n: one(r, n) for r, n in zip(remotes, numbers)])

        assert ask([1, 2, 3]) == [3, 6, 9]
        calls = model.calls
        answers = ask([2, 13, 4])
        assert answers[0] == 4 and answers[2] == 10
        assert isinstance(answers[1], errors.ModelError)
        assert model.calls == calls + 4, "once together, then each alone"
        assert calls == 1


def test_spaces_that_differ_are_not_joined() -> None:
    model = BatchEcho()
    other = replace(PLAIN, action_space=Discrete(900))
    renamed = replace(PLAIN, id="another")
    with (
        ModelServer(model, options=ServeOptions(max_batch_delay_ms=300)) as server,
        RemoteModel(server.address, PLAIN) as one,
        RemoteModel(server.address, other) as two,
        RemoteModel(server.address, renamed) as three,
    ):
        assert asked([one, two, three], [20, 21, 22]) == [120, 121, 122]
    assert sorted(sorted(call) for call in model.calls) == [[20, 22], [21]]


class Words(Model):
    sizes: list[int] = []  # noqa: RUF012

    def predict_batch(self, observations: Any) -> Any:
        self.sizes.append(len(observations["word"]))
        return {"y": observations["x"], "said": [word[::-1] for word in observations["word"]]}


def test_values_of_variable_size_are_joined() -> None:
    model = Words(None)
    model.sizes = []
    words = ["", "ab", "abcdefgh"]
    with clients(model, 3, MIXED) as remotes:

        def one(remote: RemoteModel, word: str) -> Any:
            action = remote.predict({"x": np.full(2, len(word), np.float32), "word": word})
            return action["said"], action["y"].tolist()

        answers = at_once([lambda r=r, w=w: one(r, w) for r, w in zip(remotes, words)])
    assert answers == [(word[::-1], [len(word)] * 2) for word in words]
    assert model.sizes == [3]


class Scaling(Model):
    """Writes to what it is given, as it may to an observation that is not gathered."""

    def __init__(self) -> None:
        super().__init__(None)
        self.calls: list[int] = []

    def predict_batch(self, observations: Any) -> Any:
        self.calls.append(len(observations["x"]))
        observations["x"] *= 2
        for parts in observations["some"]:
            parts += 1
        sums = [one.sum() + sum(map(np.sum, p)) for one, p in zip(*observations.values())]
        return np.array(sums, int)


def test_a_model_may_write_to_observations_that_were_gathered() -> None:
    part = Box(-100, 100, (2,), "float32")
    space = Dict({"x": part, "some": Sequence(part, stack=True)})
    contract = EnvContract("some", space, Discrete(1000))
    model = Scaling()
    ones = {"x": np.ones(2, np.float32), "some": np.ones((3, 2), np.float32)}
    with clients(model, 2, contract) as remotes:
        answers = at_once([lambda r=r: r.predict(ones) for r in remotes])
    assert answers == [16, 16]
    assert model.calls == [2]


def test_a_model_of_single_observations_is_called_one_by_one_from_one_thread() -> None:
    model = Echo()
    with clients(model, 4) as remotes:
        assert asked(remotes, range(4)) == [0, 1, 2, 3]
    assert [len(call) for call in model.calls] == [1] * 4 and len(model.threads) == 1


@pytest.mark.every_transport
def test_many_sessions_and_lanes_never_mix() -> None:
    """Each lane counts how often it was asked; any mix would be seen in a number."""
    model = BatchEcho()
    with clients(model, 8, max_batch_delay_ms=1, max_batch_size=5) as remotes:

        def play(index: int, remote: RemoteModel) -> int:
            contexts = [EpisodeContext(f"{index}/{lane}") for lane in range(3)]
            counts = [0, 0, 0]
            for step in range(30):
                lane = (step * (index + 1)) % 3
                counts[lane] += 1
                number = index + 14
                assert remote.predict(seen(number), contexts[lane]) == number + (
                    100 * min(counts[lane], 9)
                )
                if counts[lane] == 9:
                    contexts[lane], counts[lane] = EpisodeContext("next"), 0
            return 30

        answers = at_once([lambda i=i, r=r: play(i, r) for i, r in enumerate(remotes)])
    assert answers == [30] * 8, answers
    assert max(len(call) for call in model.calls) > 1


class Alone(Witness):
    """Refuses batches of several, after it has changed the state of each."""

    def _predict_batch(self, seen: Any, context: Any) -> Any:
        actions = super()._predict_batch(seen, context)
        if len(context) > 1:
            raise ValueError("one at a time")
        return actions


def test_requests_that_are_tried_alone_after_a_batch_observe_once() -> None:
    def played(*, together: bool) -> Any:
        witness = Alone((PredictForm.BATCH,), history=3, stateful=True)
        forms = witness.model.fitted(CONTRACT)
        fitted = FittedModel(forms, CONTRACT, witness.model._backend)
        asks = []
        for name, first in (("a", 10), ("b", 20)):
            one, two, three = ({"x": np.float32([first + n, 0])} for n in range(3))
            batch = {"x": three["x"][None]}
            asks.append(
                PredictRequest(
                    fitted,
                    PredictForm.BATCH,
                    batch,
                    [batch["x"].tobytes()],
                    [forms.episode(name)],
                    lambda ask: Predicted(m.Encoded([ask.actions.tobytes()])),
                    0,
                    EpisodeFacts((7,), [[one, two]], [ActionPrefix((np.float32([first]),), 1)]),
                )
            )
        for group in [asks] if together else [asks[:1], asks[1:]]:
            DynamicBatcher(8, 0.0, lambda: 2)._answer(group)
        return [ask.reply for ask in asks], witness.calls

    replies, calls = played(together=True)
    expected, alone = played(together=False)
    assert replies == expected and None not in replies
    assert calls[-len(alone) :] == alone and len(calls) == 2 * len(alone) - 1
