"""What cannot be resolved: each reason with its path, what would fit, what came, and the fix."""

from __future__ import annotations

import math
import pickle
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    ColorSpace,
    EnvTags,
    Feature,
    FeatureKind,
    ImageLayout,
    MeanStd,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    Reference,
    RotationFormat,
    TaggedLeaf,
    resolve,
    tag_problems,
)
from rlmesh.backends import NATIVE
from rlmesh.dtypes import DTYPES
from rlmesh.errors import AdapterError, RLMeshError
from rlmesh.specs import EnvContract

pytest.importorskip("numpy")
BACKEND = pytest.importorskip("rlmesh_numpy").BACKEND

NOTHING = spaces.Dict({})
FLOAT32, UINT8 = DTYPES["float32"], DTYPES["uint8"]
IMAGE = Feature("x", FeatureKind.IMAGE, ImageLayout.HWC, ColorSpace.RGB)
QUATERNION = Feature("x", rotation=RotationFormat.QUATERNION_WXYZ)
INFINITE = spaces.Box(-math.inf, math.inf, (3,))
PICTURE = spaces.Box(0, 255, (4, 6, 3), "uint8")


def refused(contract: EnvContract, spec: ModelSpec, **options: Any) -> AdapterError:
    """The error of a spec that does not fit."""
    with pytest.raises(AdapterError) as caught:
        resolve(contract, spec, **{"backend": BACKEND, **options})
    error = caught.value
    assert isinstance(error, (RLMeshError, ValueError)) and error.problems
    for problem in error.problems:
        assert problem.path and problem.expected and problem.actual and problem.fix
    return error


def told(contract: EnvContract, spec: ModelSpec) -> str:
    """The one problem of a spec, in words."""
    problems = refused(contract, spec).problems
    assert len(problems) == 1, problems
    return str(problems[0])


# Environment's space and feature, the input, and words of the message.
INPUTS: dict[str, tuple[spaces.Space[Any], Feature, dict[str, Any], tuple[str, ...]]] = {
    "role": (INFINITE, Feature("y"), {}, ("feature of the observation", "'x'", "'y'")),
    "kind": (INFINITE, Feature("x", FeatureKind.STATE), {"feature": IMAGE}, ("kind 'image'",)),
    "text": (INFINITE, Feature("x"), {"feature": Feature("x", FeatureKind.TEXT)}, ("Text space",)),
    "no text": (
        spaces.Text(3),
        Feature("x"),
        {"feature": Feature("x", FeatureKind.STATE)},
        ("kind state", "a text"),
    ),
    "numbers of text": (spaces.Text(3), Feature("x"), {"dtype": FLOAT32}, ("neither dtype",)),
    "size": (PICTURE, IMAGE, {"feature": IMAGE, "shape": (8, 8, 3)}, ("(4, 6, 3)", "resize")),
    "no layout": (
        PICTURE,
        Feature("x", color=ColorSpace.RGB),
        {"feature": Feature("x", color=ColorSpace.BGR)},
        ("color bgr", "layout"),
    ),
    "channels": (
        spaces.Box(0, 1, (4, 6, 4)),
        Feature("x", FeatureKind.IMAGE, ImageLayout.HWC),
        {"feature": Feature("x", color=ColorSpace.RGB)},
        ("3 channels for color rgb", "4 channels"),
    ),
    "flat": (INFINITE, IMAGE, {}, ("layout hwc", "(3,)")),
    "gray without saying": (
        PICTURE,
        IMAGE,
        {"feature": Feature("x", layout=ImageLayout.HW)},
        ("one channel for layout hw", "3 channels"),
    ),
    "depth": (
        PICTURE,
        IMAGE,
        {"feature": Feature("x", color=ColorSpace.DEPTH)},
        ("color depth", "rgb"),
    ),
    "unbounded": (INFINITE, Feature("x"), {"feature": Feature("x", range=(0, 1))}, ("finite",)),
    "nearly unbounded": (
        spaces.Box(-3.4e38, 3.4e38, (3,)),
        Feature("x"),
        {"feature": Feature("x", range=(0, 1))},
        ("finite",),
    ),
    "unbounded integers": (
        spaces.Box(-math.inf, math.inf, (3,), "int32"),
        Feature("x"),
        {"feature": Feature("x", range=(0, 1)), "dtype": FLOAT32},
        ("finite",),
    ),
    "one value": (
        spaces.Box(1, 1, (3,)),
        Feature("x"),
        {"feature": Feature("x", range=(0, 1))},
        ("low < high",),
    ),
    "empty range": (
        spaces.Box(0, 1, (3,)),
        Feature("x"),
        {"feature": Feature("x", range=(1, 1))},
        ("low < high", "(1, 1)"),
    ),
    "range of a rotation": (
        spaces.Box(-1, 1, (4,)),
        QUATERNION,
        {"feature": Feature("x", range=(0, 1))},
        ("other range for a rotation", "normalization"),
    ),
    "rotation": (INFINITE, QUATERNION, {}, ("4 numbers", "quaternion_wxyz", "(3,)")),
    "unit of a rotation": (
        INFINITE,
        Feature("x", rotation=RotationFormat.EULER_XYZ, unit="deg"),
        {},
        ("rad", "'deg'"),
    ),
    "unit": (INFINITE, Feature("x", unit="m"), {"feature": Feature("x", unit="s")}, ("'s'", "'m'")),
    "reference": (
        INFINITE,
        Feature("x", reference=Reference.ABSOLUTE),
        {"feature": Feature("x", reference=Reference.DELTA)},
        ("reference 'delta'", "'absolute'", "state"),
    ),
    "frame": (
        INFINITE,
        Feature("x", frame="base"),
        {"feature": Feature("x", frame="world")},
        ("frame 'world'", "'base'"),
    ),
    "names": (
        INFINITE,
        Feature("x", element_names=("a", "b", "c")),
        {"feature": Feature("x", element_names=("a", "d"))},
        ("elements named ('a', 'd')", "('a', 'b', 'c')"),
    ),
    "same names": (
        INFINITE,
        Feature("x", element_names=("a", "a", "c")),
        {"feature": Feature("x", element_names=("c", "a"))},
        ("distinct",),
    ),
    "count of names": (
        INFINITE,
        Feature("x"),
        {"feature": Feature("x", element_names=("a", "b"))},
        ("2 elements", "(3,)"),
    ),
    "shape": (INFINITE, Feature("x"), {"shape": (4,)}, ("shape (4,)", "(3,)")),
    "history in shape": (INFINITE, Feature("x"), {"shape": (3,), "history": 2}, ("(2, 3)", "axis")),
    "statistics": (
        INFINITE,
        Feature("x"),
        {"normalization": MeanStd((1.0, 2.0), (1.0,))},
        ("one number, or of one for each element", "2 of them"),
    ),
    "floats as integers": (INFINITE, Feature("x"), {"dtype": UINT8}, ("uint8", "float32")),
    "calculated integers": (
        spaces.Box(0, 9, (3,), "uint8"),
        Feature("x"),
        {"normalization": MeanStd((1.0,), (2.0,))},
        ("float dtype",),
    ),
    "integers scaled to themselves": (
        spaces.Box(0, 9, (3,), "uint8"),
        Feature("x"),
        {"feature": Feature("x", range=(0, 1))},
        ("float dtype",),
    ),
}


@pytest.mark.parametrize("name", INPUTS)
def test_inputs_that_do_not_fit(name: str) -> None:
    space, feature, facts, words = INPUTS[name]
    contract = EnvContract("e", space, NOTHING, tags=EnvTags((TaggedLeaf((), feature),)))
    port = ModelInput("in", **{"feature": Feature("x"), **facts})
    problem = told(contract, ModelSpec(inputs=(port,)))
    assert problem.startswith("inputs['in']: ")
    assert [word for word in words if word not in problem] == []


# A tag, and words of the message.
TREE = spaces.Dict(
    {
        "a": INFINITE,
        "pair": spaces.Tuple([spaces.Text(3), spaces.Sequence(INFINITE)]),
        "either": spaces.OneOf([INFINITE]),
    }
)
TAGS: dict[str, tuple[TaggedLeaf, tuple[str, ...]]] = {
    "key": (TaggedLeaf(("b",), Feature("x")), ("observation['b']", "keys of the space")),
    "index as key": (TaggedLeaf(("pair", "0"), Feature("x")), ("['pair']['0']", "keys")),
    "beyond a leaf": (TaggedLeaf(("a", 0), Feature("x")), ("['a'][0]", "a box")),
    "no leaf": (TaggedLeaf(("pair",), Feature("x")), ("a leaf", "a tuple")),
    "sequence": (TaggedLeaf(("pair", 1), Feature("x")), ("a leaf", "a sequence")),
    "end": (TaggedLeaf(("a",), Feature("x"), 2, 2), ("[2:4]", "3 elements", "2 and 2")),
    "no elements": (TaggedLeaf(("a",), Feature("x"), 2, 0), ("2 and 0",)),
    "length alone": (TaggedLeaf(("a",), Feature("x"), None, 2), ("no length",)),
    "names": (TaggedLeaf(("a",), Feature("x", element_names=("p",))), ("or 3", "got 1")),
    "range": (TaggedLeaf(("a",), Feature("x", range=(2, 1))), ("low <= high", "(2, 1)")),
    "nan": (TaggedLeaf(("a",), Feature("x", range=(math.nan, 1))), ("without NaN",)),
    "part of a text": (TaggedLeaf(("pair", 0), Feature("x"), 0, 1), ("0 elements",)),
}


@pytest.mark.parametrize("name", TAGS)
def test_tags_that_break_the_contract(name: str) -> None:
    tag, words = TAGS[name]
    contract = EnvContract("e", TREE, NOTHING, tags=EnvTags((tag,)))
    problem = told(contract, ModelSpec(inputs=(ModelInput("in", Feature("x")),)))
    assert [word for word in words if word not in problem] == []
    assert list(map(str, tag_problems(EnvTags((tag,)), TREE, NOTHING))) == [problem]
    fit_for_actions = EnvTags(action=(tag,))
    assert len(tag_problems(fit_for_actions, NOTHING, TREE)) == 1
    # A tag that no input uses is no problem.
    resolve(contract, ModelSpec(), backend=BACKEND)


def test_a_tag_within_one_of_may_be_served_and_is_read_by_no_adapter() -> None:
    tags = EnvTags((TaggedLeaf(("either", 0), Feature("x")),))
    assert tag_problems(tags, TREE, NOTHING) == ()
    contract = EnvContract("e", TREE, NOTHING, tags=tags)
    spec = ModelSpec(inputs=(ModelInput("in", Feature("x")),))
    assert "a one_of at observation['either']" in told(contract, spec)


def test_roles_that_stand_twice_are_ambiguous() -> None:
    twice = (TaggedLeaf(("a",), Feature("x")), TaggedLeaf(("pair", 0), Feature("x")))
    contract = EnvContract("e", TREE, NOTHING, tags=EnvTags(twice))
    problem = told(contract, ModelSpec(inputs=(ModelInput("in", Feature("x")),)))
    assert "observation['a'], observation['pair'][0]" in problem


def test_an_environment_without_tags_fits_no_inputs() -> None:
    contract = EnvContract("e", INFINITE, NOTHING)
    assert "no tags of the observation space" in told(
        contract, ModelSpec(inputs=(ModelInput("in", Feature("x")),))
    )


def acts(*tags: TaggedLeaf, space: spaces.Space[Any] = INFINITE) -> EnvContract:
    return EnvContract("e", NOTHING, space, tags=EnvTags(action=tags))


def outputs(*roles: str, **facts: Any) -> ModelSpec:
    return ModelSpec(
        outputs=tuple(ModelOutput(f"o{i}", Feature(r, **facts)) for i, r in enumerate(roles))
    )


def test_every_element_of_an_action_is_made_once() -> None:
    whole, head = TaggedLeaf((), Feature("all")), TaggedLeaf((), Feature("head"), 0, 1)
    tail = TaggedLeaf((), Feature("tail"), 1, 2)
    contract = acts(whole, head, tail)
    resolve(contract, outputs("all"), backend=BACKEND)
    resolve(contract, outputs("tail", "head"), backend=BACKEND)
    assert "action: expected outputs for elements 1 to 2, got none" in told(
        contract, outputs("head")
    )
    assert "outputs for elements 0 to 0" in told(contract, outputs("tail"))
    assert "action: expected an output that makes it" in told(contract, outputs())
    assert "one output for element 0, got also outputs['o" in told(contract, outputs("all", "head"))
    assert "one output for element 0" in told(contract, outputs("all", "all"))


def test_leaves_of_an_action_that_no_output_makes_are_all_told() -> None:
    space = spaces.Dict(
        {"a": INFINITE, "b": spaces.Tuple([spaces.Discrete(2)]), "c": TREE["either"]}
    )
    error = refused(acts(TaggedLeaf(("a",), Feature("x")), space=space), outputs("x", "y"))
    paths = [problem.path for problem in error.problems]
    assert paths == ["outputs['o1']", "action['b'][0]", "action['c']"]
    assert all(path in str(error) for path in paths)


def test_outputs_that_do_not_fit() -> None:
    named = acts(TaggedLeaf((), Feature("x", element_names=("a", "b", "c"))))
    fewer = told(named, outputs("x", element_names=("a", "b")))
    assert "elements named ('a', 'b')" in fewer and fewer.startswith("outputs['o0']")
    spec = ModelSpec(outputs=(ModelOutput("o", Feature("x"), shape=(4,)),))
    assert "shape (4,), got (3,)" in told(acts(TaggedLeaf((), Feature("x"))), spec)
    says = acts(TaggedLeaf((), Feature("x")), space=spaces.Text(3))
    assert "kind state" in told(says, outputs("x", kind=FeatureKind.STATE))
    assert "a box at action" in told(
        acts(TaggedLeaf((), Feature("x"))), outputs("x", kind=FeatureKind.TEXT)
    )


SPECS: dict[str, tuple[dict[str, Any], str]] = {
    "forms": ({"predict_forms": ()}, "predict_forms: expected at least one"),
    "twice": ({"inputs": (ModelInput("a", Feature("x")),) * 2}, "inputs['a']: expected distinct"),
    "not alone": (
        {"inputs": (ModelInput("", Feature("x")), ModelInput("a", Feature("x")))},
        "an empty name only if it is the only one",
    ),
    "history": ({"inputs": (ModelInput("a", Feature("x"), history=10**6),)}, "history of at most"),
    "extent": ({"inputs": (ModelInput("a", Feature("x"), shape=(-1,)),)}, "extents"),
    "dimensions": ({"inputs": (ModelInput("a", Feature("x"), shape=(1,) * 33),)}, "dimensions"),
    "size": ({"inputs": (ModelInput("a", Feature("x"), shape=(2**40, 0, 2**40)),)}, "2**63"),
    "std": (
        {"inputs": (ModelInput("a", Feature("x"), normalization=MeanStd((0.0,), (-0.1,))),)},
        "at least 0",
    ),
    "limits": (
        {"inputs": (ModelInput("a", Feature("x"), normalization=MinMax((0.0, 2.0), (1.0,))),)},
        "low <= high",
    ),
    "no statistics": (
        {"inputs": (ModelInput("a", Feature("x"), normalization=MeanStd((), ())),)},
        "one number each",
    ),
    "counts": (
        {"inputs": (ModelInput("a", Feature("x"), normalization=MeanStd((1.0,) * 2, (1.0,) * 3)),)},
        "2 and 3",
    ),
    "nan": (
        {"inputs": (ModelInput("a", Feature("x"), normalization=MeanStd((math.nan,), (1.0,))),)},
        "finite",
    ),
    "range": ({"inputs": (ModelInput("a", Feature("x", range=(1, 0))),)}, "low <= high"),
    "endless range": (
        {"inputs": (ModelInput("a", Feature("x", range=(-math.inf, 1))),)},
        "a finite range of the model",
    ),
    "endless statistics": (
        {"inputs": (ModelInput("a", Feature("x"), normalization=MeanStd((1e300,), (1.0,))),)},
        "float32",
    ),
    "wide statistics": (
        {"inputs": (ModelInput("a", Feature("x"), normalization=MinMax((-3e38,), (3e38,))),)},
        "float32",
    ),
}


@pytest.mark.parametrize("name", SPECS)
def test_specs_that_break_the_contract(name: str) -> None:
    facts, words = SPECS[name]
    contract = EnvContract(
        "e", INFINITE, NOTHING, tags=EnvTags((TaggedLeaf((), Feature("x", range=(0, 1))),))
    )
    assert words in str(refused(contract, ModelSpec(**facts)))


def test_the_native_backend_cannot_calculate() -> None:
    error = refused(EnvContract("e", INFINITE, NOTHING), ModelSpec(), backend=NATIVE)
    assert "rlmesh.numpy" in str(error)


def test_the_error_keeps_its_facts_and_tells_no_endless_story() -> None:
    space = spaces.Dict({f"k{i}": spaces.Discrete(2) for i in range(100)})
    error = refused(EnvContract("e", NOTHING, space), ModelSpec())
    assert len(error.problems) == 100 and not error.forbidden
    assert "and 80 more" in str(error) and len(str(error).splitlines()) == 22
    copy = pickle.loads(pickle.dumps(error))
    assert copy.problems == error.problems and str(copy) == str(error)
