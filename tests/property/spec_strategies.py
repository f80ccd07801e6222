"""Tags and specs of any kind, which fit an environment or not."""

from __future__ import annotations

import functools
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh.adapters import (
    Adaptation,
    ColorSpace,
    Depth,
    DepthEncoding,
    EnvTags,
    Feature,
    FeatureKind,
    Gripper,
    HistoryPadding,
    ImageFit,
    ImageLayout,
    ImageTransform,
    InputPart,
    MeanStd,
    MinMax,
    ModelInput,
    ModelOutput,
    ModelSpec,
    Orientation,
    PredictForm,
    Reference,
    Resampler,
    RotationFormat,
    RotationSign,
    TaggedLeaf,
    TextTransform,
)
from rlmesh.dtypes import DTYPES
from rlmesh.specs import EnvContract
from tests.property.adapter_strategies import AXES, FLOAT32, UINT8, Draw
from tests.property.strategies import CHARACTERS, LEAVES, info_trees, spaces_of

__all__ = [
    "TRANSFORMS",
    "env_tags",
    "model_specs",
    "near_fits",
    "wild_contracts",
    "wild_specs",
]

TEXTS = st.text(CHARACTERS, max_size=3)
FINITE = st.floats(-1e30, 1e30)
RANGES = st.none() | st.tuples(FINITE, FINITE).map(lambda p: (min(p), max(p)))


@functools.cache
def features(roles: Draw = TEXTS) -> st.SearchStrategy[Feature]:
    axes = st.sampled_from(AXES)
    plain = st.builds(
        Feature,
        roles,
        *(
            st.sampled_from(e)
            for e in (FeatureKind, ImageLayout, ColorSpace, RotationFormat, Reference)
        ),
        unit=st.sampled_from(["", "m", "deg", "?"]),
        frame=st.sampled_from(["", "base", "\x1b"]),
        range=RANGES,
        element_names=st.lists(TEXTS, max_size=3).map(tuple),
        sign=st.sampled_from(RotationSign),
        orientation=st.builds(Orientation, st.integers(0, 3), st.booleans()),
        depth=st.none() | st.just(Depth(0.5, 2.0, DepthEncoding.Z_BUFFER)),
        gripper=st.none() | st.just(Gripper(1.0, -0.5)),
    )
    return st.builds(
        lambda feature, axes: (
            replace(feature, euler_axes=axes)
            if feature.rotation is RotationFormat.EULER
            else feature
        ),
        plain,
        axes,
    )


@functools.cache
def env_tags() -> st.SearchStrategy[EnvTags]:
    """Tags of spaces of any kind, each feature one that the contract allows."""
    path = st.lists(TEXTS | st.integers(-(2**63), 2**63 - 1), max_size=3).map(tuple)
    leaf = st.builds(
        lambda path, feature, part: TaggedLeaf(path, feature, *part),
        path,
        features(),
        st.just((None, 0)) | st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 2**32 - 1)),
    )
    leaves = st.lists(leaf, max_size=3).map(tuple)
    return st.builds(EnvTags, leaves, leaves, st.lists(TEXTS, max_size=2).map(tuple))


@st.composite
def statistics(draw: st.DrawFn) -> MeanStd | MinMax:
    first = draw(st.lists(FINITE, min_size=1, max_size=3))
    epsilon = draw(st.sampled_from([0.0, 1e-6]))
    mask = tuple(
        draw(st.just([]) | st.lists(st.booleans(), min_size=len(first), max_size=len(first)))
    )
    if draw(st.booleans()):
        stds = st.floats(0, 1e30)
        std = tuple(draw(st.lists(stds, min_size=1, max_size=1)))
        return MeanStd(tuple(first), std, epsilon, mask)
    target = draw(st.sampled_from([(-1.0, 1.0), (0.0, 1.0)]))
    return MinMax(tuple(first), tuple(x + abs(x) + 1 for x in first), epsilon, mask, target)


TRANSFORMS = st.builds(
    ImageTransform,
    size=st.none() | st.tuples(st.integers(1, 9), st.integers(1, 9)),
    fit=st.sampled_from(ImageFit),
    resampler=st.sampled_from(Resampler),
    crop_area=st.sampled_from([0.5, 1.0]),
    jpeg_quality=st.sampled_from([0, 90]),
    upscale=st.booleans(),
)
SLICES = st.just((None, 0)) | st.tuples(st.integers(0, 3), st.integers(1, 3))
TEXT_TRANSFORMS = st.builds(
    TextTransform,
    default=st.none() | TEXTS,
    template=st.sampled_from(["", "do {text} now"]),
    lower=st.booleans(),
)


@functools.cache
def parts(roles: Draw) -> st.SearchStrategy[InputPart]:
    """Parts of a vector, from features and constants."""
    sources = st.builds(lambda f: {"feature": f}, features(roles)) | st.lists(
        FINITE, min_size=1, max_size=3
    ).map(lambda numbers: {"constant": tuple(numbers)})
    return st.builds(
        lambda source, part, scaling: InputPart(
            **source, **part, normalization=scaling if "feature" in source else None
        ),
        sources,
        SLICES.map(lambda s: {"offset": s[0], "length": s[1]}),
        st.none() | statistics(),
    )


NAMES = st.lists(TEXTS, max_size=3, unique=True).filter(lambda x: "" not in x or len(x) == 1)
ENTRYPOINTS = st.sampled_from(["", "a:b", "pkg.mod_1:Class.make"])
MAYBE_SPACES = st.none() | spaces_of()
FORMS = st.lists(st.sampled_from(PredictForm), min_size=1, max_size=3).map(tuple)


@functools.cache
def outputs(roles: Draw) -> Draw:
    """Outputs without a name."""
    return st.builds(
        lambda port, gripper: (
            replace(port, threshold=0.5, feature=replace(port.feature, gripper=Gripper(0.0, 1.0)))
            if gripper
            else port
        ),
        st.builds(
            ModelOutput,
            st.just(""),
            **_port_facts(roles),
            clip=RANGES,
            scale=st.sampled_from([1.0, -0.5]),
            shift=st.sampled_from([0.0, 3.0]),
            relative_to=st.just("") | roles,
            relative_local=st.booleans(),
            clip_to_space=st.booleans(),
        ),
        st.booleans(),
    )


@functools.cache
def inputs(roles: Draw, entrypoints: Draw) -> Draw:
    """Inputs without a name."""
    return st.builds(
        ModelInput,
        st.just(""),
        **_port_facts(roles),
        optional=st.booleans(),
        entrypoint=entrypoints,
        history=st.integers(0, 3),
        history_stride=st.integers(1, 3),
        history_padding=st.sampled_from(HistoryPadding),
        history_joined=st.booleans(),
        pad_to=st.sampled_from([0, 0, 8]),
        pad_value=st.sampled_from([0.0, -1.0]),
        text=st.none() | TEXT_TRANSFORMS,
    ).flatmap(lambda port: _changed(port, roles))


def _changed(port: ModelInput, roles: Draw) -> Draw:
    """An input as it is, or of parts, or with an image's changes."""
    return st.one_of(
        st.just(port),
        st.builds(lambda own: replace(port, parts=tuple(own)), st.lists(parts(roles), max_size=3)),
        st.builds(lambda own: replace(port, image=tuple(own)), st.lists(TRANSFORMS, max_size=2)),
    )


def _port_facts(roles: Draw) -> dict[str, Draw]:
    return {
        "feature": features(roles),
        "dtype": st.none() | st.sampled_from(list(DTYPES.values())),
        "shape": st.none() | st.lists(st.integers(0, 5), max_size=4).map(tuple),
        "normalization": st.none() | statistics(),
    }


@st.composite
def model_specs(draw: st.DrawFn, roles: Draw = TEXTS, entrypoints: Draw = ENTRYPOINTS) -> ModelSpec:
    """Any spec that the contract allows."""
    read, written = inputs(roles, entrypoints), outputs(roles)
    return ModelSpec(
        id=draw(TEXTS),
        inputs=tuple(replace(draw(read), name=name) for name in draw(NAMES)),
        outputs=tuple(replace(draw(written), name=name) for name in draw(NAMES)),
        predict_forms=draw(FORMS),
        chunk_length=draw(st.integers(0, 2**32 - 1)),
        adaptation=draw(st.sampled_from(Adaptation)),
        observation_space=draw(MAYBE_SPACES),
        action_space=draw(MAYBE_SPACES),
        metadata=draw(info_trees()),
        stateful=draw(st.booleans()),
        spec_version=draw(TEXTS),
    )


ROLES = st.sampled_from(["a", "b", "c"])


def wild_specs() -> st.SearchStrategy[ModelSpec]:
    """Specs with few roles for any environment; the rest of them is arbitrary."""
    plain = model_specs(ROLES, st.just(""))
    return plain.map(
        lambda spec: replace(
            spec, adaptation=Adaptation.RESOLVED, observation_space=None, action_space=None
        )
    )


@st.composite
def wild_contracts(draw: st.DrawFn) -> EnvContract:
    """Any spaces, with tags that are true, false, or nonsense."""
    sides = [draw(spaces_of()) for _ in range(2)]
    tags = [tuple(draw(st.lists(_tags(space), max_size=4))) for space in sides]
    return EnvContract("e", sides[0], sides[1], tags=EnvTags(tags[0], tags[1]))


@st.composite
def near_fits(draw: st.DrawFn) -> tuple[EnvContract, ModelSpec]:
    """Both sides of a few leaves with few details, so that many fit."""
    sides: list[tuple[spaces.Dict, tuple[TaggedLeaf, ...]]] = []
    found: list[tuple[Any, ...]] = []
    for port in (ModelInput, ModelOutput):
        leaves = draw(st.lists(LEAVES, min_size=1, max_size=2))
        keys = [f"k{i}" for i in range(len(leaves))]
        tags = tuple(TaggedLeaf((key,), draw(hints(key))) for key in keys)
        sides.append((spaces.Dict(dict(zip(keys, leaves))), tags))
        found.append(tuple(draw(modest_ports(port, key)) for key in keys))
    (seen, about), (done, commands) = sides
    contract = EnvContract("e", seen, done, tags=EnvTags(about, commands))
    return contract, ModelSpec(inputs=found[0], outputs=found[1])


@functools.cache
def modest_ports(kind: type, name: str) -> Draw:
    """Inputs, or outputs, of a name with few details."""
    facts: dict[str, Draw] = {
        "dtype": st.none() | st.sampled_from([FLOAT32, UINT8]),
        "normalization": st.none() | st.just(MeanStd((1.0,), (2.0,))),
    }
    if kind is ModelInput:
        facts["history"] = st.integers(0, 2)
    return st.builds(kind, st.just(name), hints(name), **facts)


@functools.cache
def hints(role: str) -> st.SearchStrategy[Feature]:
    """A feature of a role with a hint at most."""
    plain = Feature(role)
    more = [
        replace(plain, range=(0.0, 1.0)),
        replace(plain, unit="m"),
        replace(plain, unit="cm"),
        replace(plain, kind=FeatureKind.IMAGE, layout=ImageLayout.HWC),
        replace(plain, kind=FeatureKind.IMAGE, layout=ImageLayout.CHW),
        replace(plain, rotation=RotationFormat.AXIS_ANGLE),
        replace(plain, rotation=RotationFormat.MATRIX),
    ]
    return st.one_of(st.just(plain), st.sampled_from(more))


WRONG_PATHS = st.lists(TEXTS | st.integers(), max_size=2).map(tuple)
MODEST = features(ROLES).map(lambda f: Feature(f.role, f.kind, f.layout, f.color, f.rotation))
PARTS = st.just((None, 0)) | st.tuples(st.none() | st.integers(0, 3), st.integers(0, 3))
TAGGED = MODEST | features(ROLES)


def _tags(space: spaces.Space[Any]) -> st.SearchStrategy[TaggedLeaf]:
    paths = st.sampled_from(list(_paths(space))) | WRONG_PATHS
    return st.builds(lambda path, feature, at: TaggedLeaf(path, feature, *at), paths, TAGGED, PARTS)


def _paths(space: spaces.Space[Any], keys: tuple[str | int, ...] = ()) -> Any:
    yield keys
    for key, child in space.children:
        yield from _paths(child, (*keys, key))
