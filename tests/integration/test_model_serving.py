"""A served model: its forms, lanes and episodes, and what it refuses (CONTRACT.md, 16)."""

from __future__ import annotations

import pickle
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import rlmesh
from rlmesh import ModelServer, RemoteModel, ServeOptions, errors
from rlmesh._policy.forms import EpisodeContext
from rlmesh.adapters import DELEGATED, Adaptation, PredictForm
from rlmesh.numpy import Model
from rlmesh.spaces import Discrete
from tests.integration.serving import (
    MIXED,
    PLAIN,
    SPEC,
    TAGGED,
    TEXT_SPEC,
    BatchEcho,
    ChunkEcho,
    Echo,
    seen,
)


@contextmanager
def served(model: Any, contract: Any = PLAIN, **options: Any) -> Generator[RemoteModel, None, None]:
    with (
        ModelServer(model, options=ServeOptions(**options)) as server,
        RemoteModel(server.address, contract) as remote,
    ):
        yield remote


@pytest.mark.every_transport
def test_a_callable_is_asked_one_observation_at_a_time() -> None:
    with served(Model(lambda observation: int(observation[0]))) as remote:
        assert remote.spec.predict_forms == (PredictForm.SINGLE,)
        assert remote.spec.adaptation is Adaptation.NONE
        assert [remote.predict(seen(n)) for n in range(5)] == [*range(5)]
        assert not hasattr(remote, "predict_batch")
        with pytest.raises(AttributeError, match="offers no predict_chunk; it offers single"):
            remote.predict_chunk(seen(1))


@pytest.mark.every_transport
def test_batches_of_lanes_and_single_observations_of_a_batch_model() -> None:
    with served(BatchEcho()) as remote:
        assert {*remote.spec.predict_forms} == {PredictForm.SINGLE, PredictForm.BATCH}
        batch = np.array([[1, 0], [2, 0], [3, 0]], np.float32)
        np.testing.assert_array_equal(remote.predict_batch(batch), [101, 102, 103])
        assert remote.predict(seen(9)) == 209, "lane 0 goes on"
        np.testing.assert_array_equal(remote.predict_batch(batch[:2]), [301, 202])
        remote.start_episode(0)
        assert remote.predict(seen(9)) == 109, "a new episode has no state"


@pytest.mark.every_transport
def test_chunks_in_every_form() -> None:
    with served(ChunkEcho()) as remote:
        np.testing.assert_array_equal(remote.predict_chunk(seen(5)), [5, 6, 7])
        np.testing.assert_array_equal(remote.predict_chunk(seen(5), max_chunk_length=2), [5, 6])
        batch = np.array([[1, 0], [5, 0]], np.float32)
        many = remote.predict_chunk_batch(batch)
        np.testing.assert_array_equal(many, [[1, 2, 3], [5, 6, 7]])
        few = remote.predict_chunk_batch(batch, max_chunk_length=1)
        np.testing.assert_array_equal(few, [[1], [5]])
        assert remote.predict(seen(4)) == 4
        np.testing.assert_array_equal(remote.predict_batch(batch), [1, 5])


class Mirror(Model):
    def predict_chunk_batch(self, observations: Any) -> Any:
        x, words = observations["x"], observations["word"]
        return {"y": np.stack([x, -x], axis=1), "said": [(w, w[::-1]) for w in words]}


@pytest.mark.every_transport
@pytest.mark.parametrize("framework", ["numpy", "native"])
def test_values_of_any_space_survive(framework: Any) -> None:
    with ModelServer(Mirror(None)) as server:
        remote = RemoteModel(server.address, MIXED, framework=framework)
        batch = {"x": np.array([[1, 2], [3, 4]], np.float32), "word": ("ab", "cd")}
        actions = remote.predict_batch(batch)
        np.testing.assert_array_equal(actions["y"], [[1, 2], [3, 4]])
        assert actions["said"] == ("ab", "cd")
        chunks = remote.predict_chunk_batch(batch)
        assert chunks["said"] == (("ab", "ba"), ("cd", "dc"))
        np.testing.assert_array_equal(np.asarray(chunks["y"])[1], [[3, 4], [-3, -4]])
        remote.close()


class Sum(Model):
    """Adds up what its input has, the history included."""

    def predict(self, observation: Any) -> Any:  # type: ignore[override]
        return observation["state"].sum(axis=0)


def test_the_adapter_is_resolved_from_the_contract_and_keeps_lanes_apart() -> None:
    with served(Sum(None, spec=SPEC), TAGGED) as remote:
        assert remote.spec.inputs == SPEC.inputs and remote.model_id == "tagged-model"
        one, two = {"x": np.ones(2, np.float32)}, {"x": np.full(2, 2, np.float32)}
        contexts = [EpisodeContext("a"), EpisodeContext("b")]
        assert remote.predict(one, contexts[0])[0] == 3, "the first one stands for those before"
        assert remote.predict(two, contexts[1])[0] == 6
        assert remote.predict(two, contexts[0])[0] == 4
        assert remote.predict(one, contexts[1])[0] == 5


def test_a_model_that_does_not_fit_says_where() -> None:
    with ModelServer(Sum(None, spec=SPEC)) as server:
        untagged = replace(TAGGED, tags=None)
        with pytest.raises(errors.UnsupportedError, match="no tags") as caught:
            RemoteModel(server.address, untagged)
        assert caught.value.path == "inputs['state']" and caught.value.session_closed
        RemoteModel(server.address, TAGGED).close()


def test_an_entry_point_that_is_not_trusted_is_forbidden() -> None:
    spec = replace(SPEC, inputs=(replace(SPEC.inputs[0], entrypoint="os:getcwd"),))
    with (
        ModelServer(Sum(None, spec=spec)) as server,
        pytest.raises(errors.ForbiddenError, match="os:getcwd"),
    ):
        RemoteModel(server.address, TAGGED)


class Told(Model):
    def predict(self, observation: Any) -> Any:  # type: ignore[override]
        return np.full(2, len(observation["task"]), np.float32)


def test_an_instruction_reaches_a_text_input_and_no_other_model() -> None:
    with served(Told(None, spec=TEXT_SPEC), TAGGED) as remote:
        remote.start_episode(3, instruction="lift it")
        context = EpisodeContext("e", instruction="go")
        observation = {"x": np.zeros(2, np.float32)}
        assert remote.predict(observation, context)[0] == 2
        with pytest.raises(errors.UnsupportedError, match="instruction") as caught:
            remote.start_episode(4)
        assert caught.value.path == "inputs['task']"
    with served(Echo()) as remote:
        with pytest.raises(errors.UnsupportedError, match="text input") as caught:
            remote.start_episode(instruction="lift it")
        assert caught.value.path == "instruction" and not caught.value.session_closed
        assert remote.predict(seen(1)) == 1, "the session goes on"


def test_an_instruction_is_no_matter_of_the_context_where_a_spec_says_the_inputs() -> None:
    class Heard(Model):
        def predict(self, observation: Any, context: Any) -> Any:  # type: ignore[override]
            return np.zeros(2, np.float32)

    for model, served_as, taken in (
        (Heard(None, spec=SPEC), TAGGED, False),
        (Heard(None, spec=TEXT_SPEC), TAGGED, True),
        (Heard(None, spec=DELEGATED), TAGGED, True),
        (Heard(None), TAGGED, True),
    ):
        with served(model, served_as) as remote:
            if taken:
                model.policy(served_as, instruction="lift it")
                remote.start_episode(instruction="lift it")
                continue
            with pytest.raises(ValueError, match="no text input"):
                model.policy(served_as, instruction="lift it")
            with pytest.raises(errors.UnsupportedError, match="no text input"):
                remote.start_episode(instruction="lift it")


def test_contexts_say_what_episode_it_is() -> None:
    told: list[Any] = []

    def predict(observation: Any, context: EpisodeContext) -> int:
        told.append((context.episode_id, context.seed, context.step))
        return 0

    with served(Model(predict)) as remote:
        remote.start_episode(2, episode_id="mine", seed=2**64 - 1)
        contexts = [EpisodeContext("a", 0), EpisodeContext("b")]
        for context in (*contexts, contexts[0]):
            remote.predict(seen(1), context)
            context.step += 3
    assert told == [("a", 0, 0), ("b", None, 0), ("a", 0, 3)]


def test_lanes_of_contexts_are_used_again() -> None:
    with served(BatchEcho()) as remote:
        for _ in range(5):
            assert remote.predict(seen(1), EpisodeContext("short")) == 101
        (stub,) = remote._stubs.values()
        assert len(stub._running) == 1, "each was gone before the next one"


def test_a_lane_without_an_episode_is_in_the_wrong_state() -> None:
    with served(BatchEcho()) as remote:
        with pytest.raises(errors.ProtocolError, match="no episode runs in lane 5"):
            remote.end_episode(5)
        remote.start_episode(5)
        remote.end_episode(5)
        with pytest.raises(errors.ProtocolError, match="no episode runs in lane 5"):
            remote.end_episode(5)
        with pytest.raises(errors.InvalidValueError, match="lane: expected 0 to"):
            remote.start_episode(40_000)


@pytest.mark.every_transport
def test_errors_of_the_model_are_model_errors_and_the_session_goes_on() -> None:
    with served(Echo()) as remote:
        with pytest.raises(errors.ModelError, match="13 is no number") as caught:
            remote.predict(seen(13))
        assert caught.value.exception_type == "builtins.ValueError"
        assert "in note" in caught.value.remote_traceback
        assert str(caught.value).endswith("ValueError: 13 is no number")
        assert remote.predict(seen(1)) == 1


@pytest.mark.parametrize("action", ["left", 1000, None, [1, 2]], ids=repr)
def test_what_is_no_action_is_an_invalid_result(action: Any) -> None:
    with served(Model(lambda _: action)) as remote:
        with pytest.raises(errors.ModelError, match="action: expected") as caught:
            remote.predict(seen(1))
        assert caught.value.path == "action" and not caught.value.session_closed


def test_tracebacks_can_be_kept() -> None:
    with served(Echo(), expose_tracebacks=False) as remote:
        with pytest.raises(errors.ModelError) as caught:
            remote.predict(seen(13))
        assert caught.value.remote_traceback == ""


def test_bad_observations_never_leave_the_client() -> None:
    model = Echo()
    with served(model) as remote:
        with pytest.raises(errors.InvalidValueError, match="shape"):
            remote.predict(np.zeros(3, np.float32))
        assert model.calls == []


def test_strict_validation_refuses_what_is_outside_of_a_space() -> None:
    with served(Echo(), validation="strict") as remote:
        with pytest.raises(
            errors.InvalidValueError, match=r"observation: F-1: .* 101.0 at \[0\], outside"
        ):
            remote.predict(seen(101))
        assert remote.predict(seen(1)) == 1


def test_pickled_it_is_its_address() -> None:
    with served(Echo()) as remote:
        again = pickle.loads(pickle.dumps(remote))
        assert again.predict(seen(3)) == 3
        again.close()
        assert remote.predict(seen(4)) == 4


def test_without_a_contract_it_says_what_it_needs() -> None:
    with ModelServer(Echo()) as server:
        remote = RemoteModel(server.address)
        with pytest.raises(TypeError, match=r"for_contract"):
            remote.predict(seen(1))
        other = replace(PLAIN, action_space=Discrete(7))
        assert remote.for_contract(PLAIN).predict(seen(8)) == 8
        with pytest.raises(errors.ModelError, match="action: expected"):
            remote.for_contract(other).predict(seen(8))
        remote.close()
        with pytest.raises(errors.ClosedError):
            remote.for_contract(PLAIN).predict(seen(1))


def test_a_subclass_is_loaded_once_before_it_serves() -> None:
    loads: list[int] = []

    class Loaded(Echo):
        def load(self) -> None:
            loads.append(1)

    with served(Loaded()) as remote:
        remote.predict(seen(1))
    assert loads == [1]


@pytest.mark.own_transport
def test_a_model_that_cannot_be_loaded_is_not_served() -> None:
    class Broken(Echo):
        def load(self) -> None:
            raise OSError("no weights")

    with pytest.raises(OSError, match="no weights"):
        ModelServer(Broken())


def test_evaluation_gives_the_same_as_with_the_model_itself() -> None:
    gymnasium: Any = pytest.importorskip("gymnasium")

    class Balance(Model):
        def predict_batch(self, observations: Any) -> Any:
            return (observations[:, 2] > 0).astype(int)

    with ModelServer(Balance(None)) as server:
        env = gymnasium.make("CartPole-v1")
        expected = Balance(None).run(env, seeds=range(3))
        remote = RemoteModel(server.address)
        for result in (
            rlmesh.evaluate(remote, [env], seeds=range(3)),
            Model(remote).run(env, seeds=range(3)),
        ):
            assert [e.reward for e in result.episodes] == [e.reward for e in expected.episodes]
        with pytest.raises(ValueError, match="instruction"):
            rlmesh.evaluate(remote, [env], seeds=[0], instruction="balance")
        remote.close()


@pytest.mark.parametrize("kind", [Echo, BatchEcho, ChunkEcho])
@pytest.mark.parametrize(
    ("horizon", "size"), [(None, None), (1, None), (2, None), (None, 1), (2, 1)]
)
def test_evaluation_asks_in_the_form_that_it_would_ask_here(
    kind: Any, horizon: int | None, size: int | None
) -> None:
    def ask(policy: Any) -> Any:
        contexts = [policy.begin(name, seed=0, instruction=None) for name in "ab"]
        return policy.actions([seen(20), seen(40)], contexts), policy.is_batched

    limits: Any = {"execution_horizon": horizon, "max_batch_size": size}
    with served(kind()) as remote:
        if horizon == 2 and kind is not ChunkEcho:
            for model in (kind(), remote):
                with pytest.raises(ValueError, match="predicts chunks"):
                    model.policy(PLAIN, **limits)
            return
        expected = ask(kind().policy(PLAIN, **limits))
        assert ask(remote.policy(PLAIN, **limits)) == expected
    assert [len(chunk) for chunk in expected[0]] == [(horizon or 3) if kind is ChunkEcho else 1] * 2
