"""Fields of tags and specs of another type than the declared one are refused with their path."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    EnvTags,
    Feature,
    ImageTransform,
    InputPart,
    MeanStd,
    ModelInput,
    ModelOutput,
    ModelSpec,
    Orientation,
    TaggedLeaf,
    feature,
    spec_problems,
    tag,
    tag_problems,
    tags,
)

X = Feature("x")
BOX = spaces.Box(0, 1, (3,))
INPUTS: list[tuple[dict[str, Any], str, str]] = [
    ({"history": 2.5}, "history", "a whole number"),
    ({"history": True}, "history", "a whole number"),
    ({"history_stride": "2"}, "history_stride", "a whole number"),
    ({"pad_to": 3.0}, "pad_to", "a whole number"),
    ({"pad_value": "0"}, "pad_value", "a number"),
    ({"shape": (2.5,)}, "shape[0]", "a whole number"),
    ({"shape": 3}, "shape", "a sequence"),
    ({"dtype": "float32"}, "dtype", "a DType"),
    ({"optional": 1}, "optional", "True or False"),
    ({"name": 3}, "name", "a text"),
    ({"feature": "x"}, "feature", "a Feature"),
    ({"feature": Feature("x", layout="hwc")}, "feature.layout", "an ImageLayout"),  # type: ignore[arg-type]
    ({"feature": Feature("x", element_names="abc")}, "feature.element_names", "a sequence"),  # type: ignore[arg-type]
    ({"feature": Feature("x", range=(0, 1, 2))}, "feature.range", "2 values in a sequence"),  # type: ignore[arg-type]
    (
        {"feature": Feature("x", orientation=Orientation(1.0))},  # type: ignore[arg-type]
        "feature.orientation.quarter_turns",
        "a whole number",
    ),
    ({"normalization": MeanStd(1.0, (1,))}, "normalization.mean", "a sequence"),  # type: ignore[arg-type]
    ({"normalization": MeanStd((1,), ("a",))}, "normalization.std[0]", "a number"),  # type: ignore[arg-type]
    ({"normalization": (0, 1)}, "normalization", "a MeanStd or a MinMax"),
    ({"parts": (X,)}, "parts[0]", "an InputPart"),
    ({"parts": (InputPart(X, offset=0.5),)}, "parts[0].offset", "a whole number"),  # type: ignore[arg-type]
    ({"image": ImageTransform()}, "image", "a sequence"),
    ({"image": (ImageTransform(size=(8.0, 8)),)}, "image[0].size[0]", "a whole number"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("facts", "path", "expected"), INPUTS)
def test_a_field_of_a_spec_has_its_type(facts: dict[str, Any], path: str, expected: str) -> None:
    spec = ModelSpec("m", (ModelInput(**{"name": "x", "feature": X, **facts}),))
    problem = spec_problems(spec)[0]
    assert (problem.path, problem.expected) == (f"inputs[0].{path}", expected)
    with pytest.raises(ValueError, match=r"inputs\[0\]\..*: expected .*, got "):
        spec.to_dict()


def test_outputs_and_the_spec_itself_have_their_types() -> None:
    output = ModelOutput("a", X, scale="2", constant=("1",))  # type: ignore[arg-type]
    found = spec_problems(ModelSpec("m", outputs=(output,), chunk_length=1.5))  # type: ignore[arg-type]
    assert {p.path for p in found} == {"outputs[0].scale", "outputs[0].constant[0]", "chunk_length"}
    found = spec_problems(ModelSpec("m", predict_forms="single"))  # type: ignore[arg-type]
    assert [p.path for p in found] == ["predict_forms"]


def test_numbers_of_numpy_and_lists_are_taken() -> None:
    np = pytest.importorskip("numpy")
    port = ModelInput(
        "x",
        Feature("x", range=(np.float32(0), 1), element_names=["a", "b"]),  # type: ignore[arg-type]
        shape=np.array([2]),
        history_stride=np.int64(2),
        optional=np.bool_(True),
        normalization=MeanStd(np.zeros(2), [1, 2]),  # type: ignore[arg-type]
    )
    assert not spec_problems(ModelSpec("m", (port,)))
    assert repr(port).startswith("ModelInput('x', feature=Feature('x', range=(")


WRONG_TAGS: list[tuple[Any, str]] = [
    (EnvTags(labels="robot"), "labels"),  # type: ignore[arg-type]
    (EnvTags((TaggedLeaf("xy", X),)), "observation[0].path"),  # type: ignore[arg-type]
    (EnvTags((TaggedLeaf((0.5,), X),)), "observation[0].path[0]"),  # type: ignore[arg-type]
    (EnvTags(action=(TaggedLeaf((), X, 0.5, 1),)), "action[0].offset"),  # type: ignore[arg-type]
    (EnvTags(action=(TaggedLeaf((), "x"),)), "action[0].feature"),  # type: ignore[arg-type]
    (EnvTags(action=TaggedLeaf((), X)), "action"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("wrong", "path"), WRONG_TAGS)
def test_a_field_of_tags_has_its_type(wrong: EnvTags, path: str) -> None:
    assert tag_problems(wrong, BOX, BOX)[0].path == path

    class Env:
        observation_space = action_space = BOX

    with pytest.raises(ValueError, match=f"{path.partition('[')[0]}.*: expected"):
        tag(Env(), wrong)
    with pytest.raises(ValueError, match=r": T-1: expected .*, got "):
        wrong.to_dict()


def test_a_text_is_not_several_texts() -> None:
    with pytest.raises(ValueError, match=r"names: expected several texts, such as \['abc'\], got"):
        feature("x", names="abc")
    with pytest.raises(ValueError, match="labels: expected several texts, such as"):
        tags("x", labels="robot")
