"""The forms of a model: those it offers, those that are derived, and their arguments."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

import pytest

import rlmesh
from rlmesh._policy.calls import METHODS
from rlmesh._policy.forms import EpisodeContext, ModelForms
from rlmesh._policy.policy import LocalPolicy
from rlmesh.adapters import DELEGATED, Adaptation, ModelSpec, PredictForm
from rlmesh.backends import NATIVE
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract

SINGLE, BATCH, CHUNK, CHUNK_BATCH = PredictForm

CONTRACT = EnvContract(
    "x",
    rlmesh.spaces.Dict(
        {"place": rlmesh.spaces.Box(-1.0, 1.0, (2,)), "word": rlmesh.spaces.Text(5)}
    ),
    rlmesh.spaces.Discrete(9),
)
OBSERVATIONS = [
    {"place": rlmesh.Tensor.of([i / 4, 0.0], "float32"), "word": "ab"[: i + 1]} for i in range(2)
]


def number(place: Any, word: str) -> int:
    """What the models below answer, in any form."""
    return int(next(iter(place)) * 4) + len(word)


class Whole:
    """Has every form; each answer shows the form by its first number."""

    def predict(self, observation: Any) -> int:
        return number(observation["place"], observation["word"])

    def predict_batch(self, observations: Any) -> list[int]:
        return [number(p, w) for p, w in zip(observations["place"], observations["word"])]

    def predict_chunk(self, observation: Any) -> list[int]:
        first = self.predict(observation)
        return [first, first + 1, first + 2]

    def predict_chunk_batch(self, observations: Any) -> list[list[int]]:
        return [[a, a + 1, a + 2] for a in self.predict_batch(observations)]


def having(*forms: PredictForm) -> ModelForms:
    """A model with these forms and no other, fitted."""
    names = [METHODS[form] for form in forms]
    return ModelForms(Whole(), names=names).fitted(CONTRACT, NATIVE)


@pytest.mark.parametrize(
    ("offered", "derived"),
    [
        ([SINGLE], []),
        ([BATCH], [SINGLE]),
        ([CHUNK], [SINGLE]),
        ([CHUNK_BATCH], [SINGLE, BATCH, CHUNK]),
        ([BATCH, CHUNK], [SINGLE]),
        ([SINGLE, CHUNK_BATCH], [BATCH, CHUNK]),
    ],
)
def test_forms_are_derived_from_more_general_ones_alone(
    offered: list[PredictForm], derived: list[PredictForm]
) -> None:
    forms = having(*offered)
    assert forms.offered == set(offered)
    assert forms.available == {*offered, *derived}
    contexts = [forms.episode(str(i)) for i in range(2)]
    batch = forms.observations.stack(OBSERVATIONS)
    asked = {
        SINGLE: lambda: [forms.predict(*pair) for pair in zip(OBSERVATIONS, contexts)],
        BATCH: lambda: forms.actions.unstack(forms.predict_batch(batch, contexts), 2),
        CHUNK: lambda: [forms.predict_chunk(*pair) for pair in zip(OBSERVATIONS, contexts)],
        CHUNK_BATCH: lambda: forms.predict_chunk_batch(batch, contexts),
    }
    wanted = {
        SINGLE: [1, 3],
        BATCH: [1, 3],
        CHUNK: [([1, 2, 3], 3), ([3, 4, 5], 3)],
        CHUNK_BATCH: ((1, 2, 3, 3, 4, 5), 3),
    }
    for form in PredictForm:
        if form in forms.available:
            got = asked[form]()
            if form is CHUNK and CHUNK not in offered:
                got = [(list(actions), length) for actions, length in got]
            assert got == wanted[form], form
        else:
            with pytest.raises(TypeError, match="nothing to derive it from"):
                asked[form]()


@pytest.mark.parametrize("form", [CHUNK, CHUNK_BATCH])
def test_a_chunk_is_cut(form: PredictForm) -> None:
    forms = having(form)
    actions, length = forms.predict_chunk(OBSERVATIONS[1], forms.episode("0"), max_length=2)
    assert (list(actions), length) == ([3, 4], 2)


@pytest.mark.parametrize("form", [CHUNK, CHUNK_BATCH])
def test_a_chunk_may_be_a_tensor(form: PredictForm) -> None:
    class Model:
        def predict_chunk(self, observation: Any) -> rlmesh.Tensor:
            return rlmesh.Tensor.of([[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]], "float32")

        def predict_chunk_batch(self, observations: Any) -> rlmesh.Tensor:
            return rlmesh.Tensor.of([[[1.0, 2.0], [3.0, 4.0]]], "float32")

    contract = replace(CONTRACT, action_space=rlmesh.spaces.Box(-9.0, 9.0, (2,)))
    forms = ModelForms(Model(), names=[METHODS[form]]).fitted(contract, NATIVE)
    actions, length = forms.predict_chunk(OBSERVATIONS[0], forms.episode("0"), max_length=2)
    got = [action.tolist() for action in forms.actions.unstack(actions, length)]
    assert got == [[1.0, 2.0], [3.0, 4.0]]


def spell(observation: Any, state: Any = None) -> int:
    return 0


@pytest.mark.parametrize(
    ("source", "wants"),
    [
        (lambda observation: 0, False),
        (lambda observation, context: 0, True),
        (lambda observation, info: 0, True),
        (lambda observation, context=None: 0, True),
        (spell, False),
        (functools.partial(lambda context, observation: 0, None), False),
        (int, False),
    ],
)
def test_the_context_is_given_to_those_who_take_it(source: Any, wants: bool) -> None:
    assert ModelForms(source).takes_context is wants


def test_a_batch_is_given_a_list_of_contexts() -> None:
    seen: list[Any] = []

    class Model:
        def predict_batch(self, observations: Any, contexts: Any) -> list[int]:
            seen.extend(contexts)
            return [context.seed for context in contexts]

    forms = ModelForms(Model()).fitted(CONTRACT, NATIVE)
    contexts = [forms.episode(str(i), seed=i + 3) for i in range(2)]
    assert forms.predict_batch(forms.observations.stack(OBSERVATIONS), contexts) == [3, 4]
    assert forms.predict(OBSERVATIONS[0], contexts[1]) == 4
    assert seen == [*contexts, contexts[1]]


def test_what_is_no_model() -> None:
    with pytest.raises(TypeError, match="a int cannot be a model"):
        ModelForms(3)


def test_derived_forms_need_an_environment() -> None:
    forms = ModelForms(Whole(), names=["predict_batch"])
    with pytest.raises(TypeError, match="an environment whose spaces define"):
        forms.predict(OBSERVATIONS[0], EpisodeContext("0"))


class Own(rlmesh.Model):
    """A model of one's own, loaded late."""

    def load(self, **kwargs: Any) -> None:
        self.loads = [*getattr(self, "loads", []), kwargs]

    def predict_batch(self, observations: Any) -> list[int]:
        assert len(self.loads) == 1
        return [2] * len(observations["word"])


def test_a_subclass_is_loaded_once_before_its_first_prediction() -> None:
    model = Own(load_kwargs={"strict": True}, artifacts=["a.pt"])
    assert not hasattr(model, "loads") and model.artifacts == ("a.pt",)
    forms = model.fitted(CONTRACT)
    assert not hasattr(model, "loads")
    for _ in range(2):
        assert forms.predict(OBSERVATIONS[0], forms.episode("0")) == 2
        forms = model.fitted(CONTRACT)
    assert model.loads == [{"strict": True}]
    assert model.model_spec.predict_forms == (SINGLE, BATCH)
    assert model.model_id == "Own"


def test_a_subclass_finds_what_it_was_made_of() -> None:
    assert Own("checkpoint.pt").source == "checkpoint.pt"
    assert Own().source is None


def test_a_class_of_others_is_not_loaded() -> None:
    class Theirs:
        def load(self) -> None:
            raise AssertionError

        def predict(self, observation: Any) -> int:
            return 1

    assert rlmesh.Model(Theirs()).predict({}) == 1


@pytest.mark.parametrize(
    ("spec", "adaptation"),
    [(None, Adaptation.NONE), (DELEGATED, Adaptation.DELEGATED), (ModelSpec("m"), None)],
)
def test_what_a_model_tells(spec: Any, adaptation: Adaptation | None) -> None:
    model = rlmesh.Model(Whole(), spec=spec)
    assert model.spec is spec
    told = model.model_spec
    assert told.adaptation is (adaptation or Adaptation.RESOLVED)
    assert told.predict_forms == tuple(PredictForm)
    assert told.id == model.model_id == ("Whole" if adaptation else "m")


def test_a_spec_is_one() -> None:
    with pytest.raises(TypeError, match="spec is a ModelSpec, DELEGATED or None, got str"):
        rlmesh.Model(Whole(), spec="RESOLVED")


def asked(policy: LocalPolicy) -> list[list[int]]:
    contexts = [policy.begin(str(i), seed=i, instruction=None) for i in range(2)]
    return policy.actions(OBSERVATIONS, contexts)


@pytest.mark.parametrize(
    ("forms", "arguments", "batched", "actions"),
    [
        ([SINGLE], {}, False, [[1], [3]]),
        ([BATCH], {}, True, [[1], [3]]),
        ([SINGLE, BATCH], {"max_batch_size": 1}, False, [[1], [3]]),
        ([CHUNK], {}, False, [[1, 2, 3], [3, 4, 5]]),
        ([CHUNK], {"execution_horizon": 2}, False, [[1, 2], [3, 4]]),
        ([CHUNK_BATCH], {"execution_horizon": 1}, True, [[1], [3]]),
        ([CHUNK_BATCH], {"max_batch_size": 1}, False, [[1, 2, 3], [3, 4, 5]]),
        ([SINGLE, CHUNK_BATCH], {}, False, [[1], [3]]),
        ([SINGLE, CHUNK_BATCH], {"execution_horizon": 3}, True, [[1, 2, 3], [3, 4, 5]]),
    ],
)
def test_in_which_form_a_model_is_asked(
    forms: list[PredictForm], arguments: dict[str, Any], batched: bool, actions: list[list[int]]
) -> None:
    policy = LocalPolicy(having(*forms), **arguments)
    assert policy.is_batched is batched
    assert asked(policy) == actions


@pytest.mark.parametrize("forms", [[CHUNK], [CHUNK_BATCH], [SINGLE, CHUNK]])
def test_a_horizon_longer_than_the_chunk_is_an_error(forms: list[PredictForm]) -> None:
    policy = LocalPolicy(having(*forms), execution_horizon=9)
    with pytest.raises(AdapterError, match=r"execution_horizon=9 actions, got one of 3; pass"):
        asked(policy)


@pytest.mark.parametrize("horizon", [None, 2, 3])
@pytest.mark.parametrize("declared", [0, 2, 3, 5])
def test_chunks_are_as_long_as_the_spec_states(declared: int, horizon: int | None) -> None:
    spec = ModelSpec(predict_forms=(CHUNK,), chunk_length=declared)
    policy = LocalPolicy(having(CHUNK), spec, execution_horizon=horizon)
    cut = min(3, horizon or 3)
    if declared and cut != min(declared, horizon or declared):
        with pytest.raises(AdapterError, match=rf"expected chunks of {declared} actions"):
            asked(policy)
    else:
        assert [len(chunk) for chunk in asked(policy)] == [cut, cut]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"execution_horizon": 0}, "execution_horizon of 1 or more, got 0"),
        ({"max_batch_size": 0}, "max_batch_size of 1 or more, got 0"),
        ({"execution_horizon": 2}, "a model that predicts chunks"),
    ],
)
def test_what_cannot_be_asked(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        LocalPolicy(having(BATCH), **arguments)


def test_an_instruction_needs_a_place() -> None:
    with pytest.raises(ValueError, match="no text input"):
        rlmesh.Model(lambda observation: 0).policy(CONTRACT, instruction="lift")
    policy = rlmesh.Model(lambda observation, context: 0).policy(CONTRACT, instruction="lift")
    assert policy.begin("0", seed=1, instruction="lift").instruction == "lift"


def test_random_samples_follow_the_seed() -> None:
    policy = rlmesh.Model(rlmesh.RANDOM_SAMPLE).policy(CONTRACT)

    def drawn(seed: int) -> list[int]:
        context = policy.begin("0", seed=seed, instruction=None)
        return [policy.actions([None], [context])[0][0] for _ in range(20)]

    assert drawn(1) == drawn(1) != drawn(2)
    assert all(CONTRACT.action_space.contains(action) for action in drawn(3))
    with pytest.raises(TypeError, match="use run, evaluate or session"):
        rlmesh.Model(rlmesh.RANDOM_SAMPLE).predict(0)
