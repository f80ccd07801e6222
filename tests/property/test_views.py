"""Views: a model's inputs are the same with whole observations and with what it reads (A-13)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh._codec.viewed import ViewCodec, viewed_contract
from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.adapters import (
    ColorSpace,
    Depth,
    DepthEncoding,
    EnvTags,
    Feature,
    FeatureKind,
    ImageLayout,
    ModelInput,
    ModelSpec,
    Orientation,
    TaggedLeaf,
    resolve,
)
from rlmesh.adapters._view_for import view_for
from rlmesh.adapters._viewed import resolve_view
from rlmesh.dtypes import DTYPES
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract
from rlmesh_numpy import BACKEND
from tests.property.spec_strategies import TRANSFORMS

pytest.importorskip("PIL")
pytest.importorskip("cv2")

SIDES = st.integers(1, 9)
ORIENTATIONS = st.builds(Orientation, st.integers(0, 3), st.booleans())
COLORS = st.sampled_from([None, *(c for c in ColorSpace if c is not ColorSpace.DEPTH)])
CHANNELS = {ColorSpace.GRAY: 1, ColorSpace.RGBA: 4}
RANGES = st.sampled_from([None, (0.0, 1.0), (0.0, 255.0)])
SPARE = {
    "text": spaces.Text(5),
    "list": spaces.Sequence(spaces.Box(-1, 1, (2,))),
    "graph": spaces.Graph(spaces.Box(0, 1, (1,)), spaces.Discrete(3)),
    "one": spaces.OneOf([spaces.Discrete(2), spaces.Box(0, 1, (3,))]),
}


@st.composite
def images(draw: st.DrawFn, role: str) -> tuple[spaces.Box, Feature, ModelInput]:
    """A camera, its tag, and an input that reads it."""
    layouts = st.sampled_from([ImageLayout.HWC, ImageLayout.CHW])
    layout, color = draw(layouts), draw(COLORS) or ColorSpace.UNSPECIFIED
    height, width, channels = draw(SIDES), draw(SIDES), CHANNELS.get(color, 3)
    is_depth = draw(st.integers(0, 4)) == 0
    depth = None
    if is_depth:
        color, channels = ColorSpace.DEPTH, 1
        encodings = [e for e in DepthEncoding if e is not DepthEncoding.UNSPECIFIED]
        depth = Depth(0.5, 4.0, draw(st.sampled_from(encodings)))
    stack = tuple(draw(st.lists(st.integers(1, 2), max_size=1)))
    shape = (height, width, channels) if layout is ImageLayout.HWC else (channels, height, width)
    element = draw(st.sampled_from(["uint8", "uint8", "float32", "uint16"]))
    low, high = draw(st.sampled_from([(0, 255), (0, 1), (0, 2)]))
    box = spaces.Box(low, high, (*stack, *shape), element)
    tag = Feature(
        role,
        FeatureKind.IMAGE,
        layout,
        color,
        orientation=draw(ORIENTATIONS),
        range=draw(RANGES),
        depth=depth,
    )
    wanted = Feature(
        role,
        FeatureKind.IMAGE,
        draw(layouts | st.just(ImageLayout.UNSPECIFIED)),
        ColorSpace.UNSPECIFIED if is_depth else draw(COLORS) or ColorSpace.UNSPECIFIED,
        orientation=draw(ORIENTATIONS | st.just(tag.orientation)),
        range=draw(RANGES),
        depth=Depth(0.6, 3.0) if is_depth and draw(st.booleans()) else None,
    )
    changes = tuple(draw(st.lists(TRANSFORMS, max_size=2)))
    dtype = draw(st.sampled_from([None, "float32"]))
    port = ModelInput(
        role, wanted, dtype and DTYPES[dtype], image=changes, history=draw(st.integers(0, 2))
    )
    return box, tag, port


@st.composite
def cases(draw: st.DrawFn) -> tuple[EnvContract, ModelSpec]:
    """An environment with cameras among other leaves, and a model that reads some of them."""
    children: dict[str, spaces.Space[Any]] = {}
    tags: list[TaggedLeaf] = []
    ports: list[ModelInput] = []
    for i in range(draw(st.integers(1, 3))):
        box, tag, port = draw(images(f"image/{i}"))
        if draw(st.booleans()):
            children[f"pair{i}"] = spaces.Tuple([spaces.Discrete(3), box])
            tags.append(TaggedLeaf((f"pair{i}", 1), tag))
        else:
            children[f"camera{i}"] = box
            tags.append(TaggedLeaf((f"camera{i}",), tag))
        if i == 0 or draw(st.booleans()):
            ports.append(port)
    for name in draw(st.lists(st.sampled_from(sorted(SPARE)), unique=True)):
        children[name] = SPARE[name]
    keys = draw(st.permutations(sorted(children)))
    space = spaces.Dict([(key, children[key]) for key in keys])
    contract = EnvContract("e", space, spaces.Dict({}), tags=EnvTags(tuple(tags)))
    contract.observation_space.seed(draw(st.integers(0, 2**20)))
    return contract, ModelSpec(inputs=tuple(ports))


def observed(space: spaces.Space[Any], count: int) -> tuple[list[Any], list[Any]]:
    """Observations of NumPy arrays, and the slabs of each."""
    codec = SpaceCodec(space, BACKEND, root="observation", validation="off")
    slabs = [codec.encode(space.sample()) for _ in range(count)]
    return [codec.decode(one) for one in slabs], slabs


@settings(deadline=None)
@given(case=cases())
def test_inputs_are_equal_to_the_bit_with_a_view(case: tuple[EnvContract, ModelSpec]) -> None:
    contract, spec = case
    try:
        whole = resolve(contract, spec, backend=BACKEND)
    except AdapterError:
        assume(False)
    view = view_for(contract, spec)
    assume(view is not None)
    assert view is not None
    resolved = resolve_view(contract.observation_space, view)
    event(f"{len(resolved.images)} images")
    encoder = ViewCodec(resolved, BACKEND, None, root="observation", validation="off")
    seen = viewed_contract(contract, view)
    decoder = SpaceCodec(seen.observation_space, BACKEND, root="observation", validation="strict")
    viewed = resolve(seen, spec, backend=BACKEND)
    first, second = whole.episode(), viewed.episode()
    values, slabs = observed(contract.observation_space, 3)
    sizes = [0, 0]
    for value, own in zip(values, slabs):
        sent = encoder.encode(value)
        sizes[0] += sum(map(len, own))
        sizes[1] += sum(map(len, sent))
        equal(first.observe(value), second.observe(decoder.decode(sent)))
    assert sizes[1] <= sizes[0]
    batch = decoder.decode_values(encoder.encode_values(values), len(values))
    for one, value in zip(batch, values):
        equal(one, decoder.decode(encoder.encode(value)))


def equal(found: Any, wanted: Any) -> None:
    if isinstance(wanted, dict):
        assert found.keys() == wanted.keys()
        for key in wanted:
            equal(found[key], wanted[key])
    elif isinstance(wanted, tuple):
        assert len(found) == len(wanted)
        for a, b in zip(found, wanted):
            equal(a, b)
    else:
        np.testing.assert_array_equal(found, wanted, strict=True)


@settings(deadline=None)
@given(case=cases())
def test_a_view_that_is_written_and_read_is_the_same(case: tuple[EnvContract, ModelSpec]) -> None:
    contract, spec = case
    request = m.Request(4, m.SetView(view_for(contract, spec)))
    wire = EnvWireCodec(BACKEND)
    assert wire.read_request(bytes(wire.write_request(request))) == request
