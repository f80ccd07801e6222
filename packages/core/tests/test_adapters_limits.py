"""Limits of specs: sizes are refused before they are allocated, and numbers that float32 lacks."""

from __future__ import annotations

import math
import time
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import (
    Action,
    Adapter,
    ColorSpace,
    Concat,
    EnvTags,
    Feature,
    FeatureKind,
    Image,
    ImageFit,
    ImageLayout,
    ImageTransform,
    InputPart,
    MeanStd,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    Resampler,
    TaggedLeaf,
    feature,
    resolve,
    spec_problems,
    tag_problems,
    tags,
)
from rlmesh.dtypes import DTYPES
from rlmesh.errors import AdapterError, InvalidValueError
from rlmesh.specs import EnvContract
from tests.cases import for_each

np = pytest.importorskip("numpy")
BACKEND = pytest.importorskip("rlmesh_numpy").BACKEND

NOTHING = spaces.Dict({})
IMAGE = Feature("image", FeatureKind.IMAGE, ImageLayout.HWC, ColorSpace.RGB)
STATE = Feature("state")
MOVE = Feature("move")


def box(count: int, dtype: str = "float32") -> spaces.Box:
    return spaces.Box(-math.inf, math.inf, (count,), dtype)


def reader(
    space: spaces.Space[Any], meaning: Feature, port: ModelInput, backend: Any = BACKEND
) -> Adapter:
    """An adapter of a model with one input, and an output "move" of one number."""
    move = TaggedLeaf((), MOVE)
    contract = EnvContract("e", space, box(1), tags=EnvTags((TaggedLeaf((), meaning),), (move,)))
    spec = ModelSpec(inputs=(port,), outputs=(ModelOutput("move", MOVE),))
    return resolve(contract, spec, backend=backend)


@for_each(
    "change",
    [
        {"image": (ImageTransform((32768, 32768)),)},
        {"image": (ImageTransform((32768, 32768), ImageFit.PAD), ImageTransform((4, 4)))},
        {"image": (ImageTransform((1024, 1024)),), "history": 1000},
        {"history": 65_536},
        {"history": 2, "history_stride": 65_000},
        {"history": 2, "history_stride": 2**31},
    ],
)
def test_an_image_that_would_take_all_memory_is_refused(change: dict[str, Any]) -> None:
    space = spaces.Box(0, 255, (400, 400, 3), "uint8")
    with pytest.raises(AdapterError, match="at most"):
        reader(space, IMAGE, ModelInput("", IMAGE, **change))


@for_each(
    "change",
    [{"pad_to": 2**31}, {"pad_to": 2**26, "history": 2}, {"history": 2, "history_stride": 2**31}],
)
def test_a_vector_that_would_take_all_memory_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(AdapterError, match="at most"):
        reader(box(3), STATE, ModelInput("", STATE, **change))


def test_an_observation_may_be_large_itself() -> None:
    port = ModelInput("", IMAGE, image=(ImageTransform((224, 224)),))
    reader(spaces.Box(0, 255, (9_000, 9_000, 3), "uint8"), IMAGE, port)
    port = ModelInput("", STATE, DTYPES["float32"])
    reader(spaces.Box(0, 255, (2**28,), "uint8"), STATE, port)


def test_weights_of_a_long_side_are_refused() -> None:
    """Libraries other than NumPy resize by matrices of new times old pixels."""
    torch = pytest.importorskip("rlmesh_torch").BACKEND
    space = spaces.Box(0, 255, (1, 2**26, 3), "uint8")
    port = ModelInput("", IMAGE, image=(ImageTransform((1, 224)),))
    with pytest.raises(AdapterError, match="weights for a side"):
        reader(space, IMAGE, port, torch)
    reader(space, IMAGE, port)
    nearest = ImageTransform((1, 224), resampler=Resampler.NEAREST)
    reader(space, IMAGE, ModelInput("", IMAGE, image=(nearest,)), torch)


@for_each(
    "port",
    [
        ModelInput("", STATE, pad_to=4, pad_value=1e39),
        ModelInput("", STATE, parts=(InputPart(constant=(1e39,)),)),
        ModelOutput("", STATE, scale=1e39),
        ModelOutput("", STATE, scale=1e-39),
        ModelOutput("", STATE, shift=-1e39),
        ModelOutput("", STATE, constant=(1e39,)),
    ],
)
def test_numbers_that_float32_lacks_are_refused(port: Any) -> None:
    is_input = isinstance(port, ModelInput)
    spec = ModelSpec(inputs=(port,)) if is_input else ModelSpec(outputs=(port,))
    problems = spec_problems(spec)
    assert len(problems) == 1 and "float32 holds" in problems[0].expected


@for_each("given", [MeanStd((0.0,), (1e-60,)), MinMax((0.0,), (1e-60,))])
def test_a_divisor_that_float32_lacks_is_refused(given: Any) -> None:
    with pytest.raises(AdapterError, match="statistics that float32 holds"):
        reader(box(3), STATE, ModelInput("", STATE, normalization=given))


@for_each("size", [224, (224,), (8, 8, 3), (8.0, 8.0), [8, 8], (0, 8)])
def test_a_size_is_a_height_and_a_width(size: Any) -> None:
    port = ModelInput("", IMAGE, image=(ImageTransform(size),))
    problems = spec_problems(ModelSpec(inputs=(port,)))
    assert problems and {problem.expected for problem in problems} <= {
        "a height and width from 1 to 32768",
        "2 values in a sequence",
        "a whole number",
    }


def test_a_vector_of_parts_is_calculated_in_the_type_of_its_features() -> None:
    """Calculations are in float64 if either side has it (CONTRACT.md, section 23)."""
    normal = MeanStd((1.7e9,), (1.0,))
    port = ModelInput("", STATE, parts=(InputPart(STATE),), normalization=normal)
    adapter = reader(box(3, "float64"), STATE, port)
    seen = adapter.observe(1.7e9 + np.arange(1.0, 4.0), adapter.episode())
    assert seen.tolist() == [1, 2, 3]
    with pytest.raises(InvalidValueError, match=r"1e\+300"):
        adapter.observe(np.array([1e300, 0, 0]), adapter.episode())


def test_statistics_of_a_part_are_those_of_its_elements() -> None:
    """A-8: a part is cut first, and then scaled by its own normalization."""
    for normal in (
        MeanStd((1.0, 2.0), (1.0, 2.0)),
        MinMax((0.0, 0.0), (4.0, 8.0), mask=(True,) * 2),
    ):
        parts = (InputPart(STATE, offset=1, length=2, normalization=normal),)
        adapter = reader(box(4), STATE, ModelInput("", STATE, parts=parts))
        seen = adapter.observe(np.float32([9, 3, 4, 9]), adapter.episode())
        assert seen.tolist() == ([2, 1] if isinstance(normal, MeanStd) else [0.5, 0])
    parts = (InputPart(STATE, offset=1, length=2, normalization=MeanStd((0.0,) * 4, (1.0,) * 4)),)
    with pytest.raises(AdapterError, match="one for each element of the last axis, 2"):
        reader(box(4), STATE, ModelInput("", STATE, parts=parts))


def test_a_constant_has_the_elements_that_are_cut_and_no_normalization() -> None:
    port = ModelInput("", STATE, parts=(InputPart(constant=(1.0, 2.0), offset=1, length=5),))
    with pytest.raises(AdapterError, match="elements 1 to 5, got 2 constants"):
        reader(box(4), STATE, port)
    part = InputPart(constant=(1.0,), normalization=MeanStd((1.0,), (1.0,)))
    problems = spec_problems(ModelSpec(inputs=(ModelInput("", STATE, parts=(part,)),)))
    assert [p.expected for p in problems] == ["no normalization for a constant"]


def chunk_reader() -> Adapter:
    port = ModelInput("last", STATE, parts=(InputPart(previous_output="move"),))
    return reader(box(1), STATE, port)


def test_a_chunk_counts_from_the_observation_that_it_was_predicted_for() -> None:
    adapter = chunk_reader()
    episode = adapter.episode()
    nothing, moves = np.zeros(1, "f4"), np.float32([[5], [6], [7]])
    seen = [episode.observe(nothing)["last"][0]]
    adapter.act_chunk({"move": moves}, episodes=(episode,))
    forked = episode.fork()
    seen += [episode.observe(nothing)["last"][0] for _ in range(3)]
    assert seen == [0, 5, 6, 7]
    assert [forked.observe(nothing)["last"][0] for _ in range(3)] == [5, 6, 7]


def test_a_fork_acts_for_the_same_observation() -> None:
    adapter = chunk_reader()
    episode = adapter.episode()
    nothing, moves = np.zeros(1, "f4"), np.float32([[5], [6], [7]])
    for _ in range(4):
        episode.observe(nothing)
    forked = episode.fork()
    adapter.act_chunk({"move": moves}, episodes=(forked,))
    assert [forked.observe(nothing)["last"][0] for _ in range(3)] == [5, 6, 7]


@for_each(
    "wrong",
    [
        lambda: Concat("x"),
        lambda: Concat("x", None),  # type: ignore[arg-type]
        lambda: Image("x", "image/primary", size=224),  # type: ignore[arg-type]
        lambda: Action("a", "action/gripper", normalization=MeanStd((0.0,) * 2, (1.0,) * 2)),
        lambda: tags({"a": ("state/gripper", 3)}),
        lambda: tags({"a": 3}),
        lambda: tags({"a": [["state/gripper", 3]]}),
    ],
    ids=lambda _: "a call",
)
def test_wrong_arguments_of_short_forms_are_refused(wrong: Any) -> None:
    with pytest.raises(ValueError, match=r"expected .*, got"):
        wrong()


def test_short_forms_take_numbers_and_lists_of_any_kind() -> None:
    port = Image("x", "image/primary", size=[4, 5], fit="pad", fill=3)  # type: ignore[arg-type]
    assert port.image == (ImageTransform((4, 5), ImageFit.PAD, fill=(3.0,)),)
    assert Concat("x", np.array([1.0, 2.0])).parts == (InputPart(constant=(1.0, 2.0)),)
    assert isinstance(feature("image/top", rotate=90.0).orientation.quarter_turns, int)  # type: ignore[arg-type]


def test_many_tags_and_parts_are_checked_without_a_look_at_all_others() -> None:
    """Peers write both; a check that is quadratic would take minutes."""
    began = time.process_time()
    keys = [f"k{i}" for i in range(4096)]
    space = spaces.Dict({key: spaces.Discrete(2) for key in keys})
    leaves = tuple(TaggedLeaf((key,), STATE) for key in keys * 20)
    assert not tag_problems(EnvTags(leaves), space, NOTHING)
    names = [f"o{i}" for i in range(30_000)]
    parts = tuple(InputPart(previous_output=name) for name in names)
    outputs = tuple(ModelOutput(name, STATE) for name in names)
    assert not spec_problems(ModelSpec("m", (ModelInput("", STATE, parts=parts),), outputs))
    assert time.process_time() - began < 30


def test_a_key_of_a_path_is_of_the_spaces_type() -> None:
    space = spaces.Dict({"1": spaces.Discrete(2), "t": spaces.Tuple((spaces.Discrete(2),))})
    good = EnvTags((TaggedLeaf(("1",), STATE), TaggedLeaf(("t", 0), STATE)))
    assert not tag_problems(good, space, NOTHING)
    paths: list[tuple[Any, ...]] = [(1,), ("t", "0"), ("t", 1), ("t", -1), ("x",)]
    bad = EnvTags(tuple(TaggedLeaf(path, STATE) for path in paths))
    assert len(tag_problems(bad, space, NOTHING)) == len(paths)
    flag = EnvTags((TaggedLeaf(("t", False), STATE),))
    assert [p.path for p in tag_problems(flag, space, NOTHING)] == ["observation[0].path[1]"]
