"""Adapters: there and back again, in every library; and arbitrary specs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from hypothesis import event, example, given, settings
from hypothesis import strategies as st

from rlmesh import Tensor, spaces
from rlmesh.adapters import (
    Adapter,
    EnvTags,
    Feature,
    ModelInput,
    ModelSpec,
    RotationFormat,
    resolve,
)
from rlmesh.adapters._rotations import LENGTHS, REORDERED, Form, compose, convert_rotation
from rlmesh.backends import Leaf
from rlmesh.errors import AdapterError, InvalidValueError
from rlmesh.specs import EnvContract
from tests.backends.libraries import Library
from tests.property.adapter_strategies import (
    AXES,
    FORMATS,
    Pair,
    both_ways,
    intervals,
    pairs,
    rotation_numbers,
)
from tests.property.spec_strategies import near_fits, wild_contracts, wild_specs

Libraries = dict[str, Library]
NAMES = ("numpy", "torch", "jax-x64")
NOTHING = spaces.Dict({})
LONG = settings.get_current_profile_name() == "long"
FEW = settings(max_examples=1000 if LONG else 60)
COMPILED = settings(max_examples=1000 if LONG else 20)
"""JAX compiles the steps of each example."""


def arrays_in(
    library: Library, values: dict[str, Any], repeat: int | None = None
) -> dict[str, Any]:
    """Native values as arrays of a library; `repeat` times on a new first axis."""
    return {
        key: library.backend.from_bytes(
            x.tobytes() * (repeat or 1), Leaf(key, x.dtype, x.shape), repeat, copy=True
        )
        for key, x in values.items()
    }


def by_numpy(value: Any) -> Any:
    return {key: np.asarray(x) for key, x in value.items()}


def assert_near(found: Any, wanted: Any, pair: Pair, path: str) -> None:
    assert found.dtype == wanted.dtype and found.shape == wanted.shape, path
    if pair.kind == "rotation":
        found, wanted = (as_matrix(x, pair.env.rotation) for x in (found, wanted))
    np.testing.assert_allclose(found, wanted, rtol=0, atol=3e-6 * pair.scale, err_msg=path)


def as_matrix(array: Any, form: RotationFormat) -> Any:
    """A rotation as a matrix, because other forms have several numbers for one rotation."""
    return convert_rotation(array.astype("f8"), form, RotationFormat.MATRIX, np)


def check_round_trip(library: Library, found: list[Pair], joined: bool) -> None:
    contract, spec, value = both_ways(found, joined)
    adapter = resolve(contract, spec, backend=library.backend)
    observed = adapter.episode().observe(arrays_in(library, value))
    assert all(isinstance(x, library.array_type) for x in observed.values())
    action = adapter.act(observed)
    assert all(isinstance(x, library.array_type) for x in action.values())
    action, wanted = by_numpy(action), by_numpy(arrays_in(library, value))
    assert contract.action_space.keys() == action.keys()
    for pair, key, part in actions_of(contract, found):
        assert_near(action[key][part], wanted[key][part], pair, f"{pair.kind} of {key}")


def actions_of(contract: EnvContract, found: list[Pair]) -> Iterator[tuple[Pair, str, Any]]:
    """The key, and the part of its array, at which the action of each pair is."""
    assert contract.tags is not None
    for pair, tag in ((p, t) for t in contract.tags.action for p in found if p.env is t.feature):
        part = np.s_[...] if tag.offset is None else np.s_[tag.offset : tag.offset + tag.length]
        yield pair, str(tag.path[0]), part


@given(found=pairs(), joined=st.booleans())
def test_an_observation_that_is_acted_out_comes_back(
    libraries: Libraries, found: list[Pair], joined: bool
) -> None:
    for name in ("numpy", "torch"):
        if name in libraries:
            check_round_trip(libraries[name], found, joined)


@COMPILED
@given(found=pairs(2), joined=st.booleans())
def test_it_comes_back_through_jax_too(
    libraries: Libraries, found: list[Pair], joined: bool
) -> None:
    if "jax-x64" not in libraries:
        pytest.skip("JAX is not installed")
    check_round_trip(libraries["jax-x64"], found, joined)


# By way of Euler angles of half a turn, of which PyTorch and NumPy make opposite quaternions.
HALF_TURN = Pair(
    "rotation",
    spaces.Box(-math.inf, math.inf, (4,), "float32"),
    Feature("r0", rotation=RotationFormat.QUATERNION_WXYZ),
    Feature("r0", rotation=RotationFormat.EULER_XYZ),
    Tensor.of([3.3083975e-17, -5.1525236e-17, 0.84147096, -0.5403023], "float32"),
)


@FEW
@example(found=[HALF_TURN], joined=False)
@given(found=pairs(), joined=st.booleans())
def test_libraries_agree_and_a_batch_is_its_lanes(
    libraries: Libraries, found: list[Pair], joined: bool
) -> None:
    contract, spec, value = both_ways(found, joined)
    results = []
    for name in NAMES[:2]:
        if name not in libraries:
            continue
        library = libraries[name]
        adapter = resolve(contract, spec, backend=library.backend)
        one = adapter.episode().observe(arrays_in(library, value))
        lanes = [adapter.episode(), adapter.episode()]
        two = adapter.observe_batch(arrays_in(library, value, 2), lanes)
        acts, acts_two = adapter.act(one), adapter.act(two, batch=2)
        for single, batch in ((one, two), (acts, acts_two)):
            for key, array in by_numpy(single).items():
                np.testing.assert_array_equal(np.asarray(batch[key]), np.stack([array] * 2))
        results.append((by_numpy(one), by_numpy(acts)))
    rotations = (
        [(p.model.rotation, p.model.role, np.s_[...]) for p in found if p.kind == "rotation"],
        [
            (p.env.rotation, key, part)
            for p, key, part in actions_of(contract, found)
            if p.kind == "rotation"
        ],
    )
    for inputs, actions in results[1:]:
        for mine, theirs, places in zip((inputs, actions), results[0], rotations):
            for form, key, part in places:
                same = [as_matrix(x[key][part], form) for x in (mine, theirs)]
                np.testing.assert_allclose(*same, rtol=0, atol=2e-4, err_msg=key)
                mine[key] = mine[key].copy()
                mine[key][part] = theirs[key][part]
            for key in theirs:
                assert mine[key].dtype == theirs[key].dtype
                near = np.isclose(mine[key], theirs[key], rtol=1e-5, atol=2e-4, equal_nan=True)
                assert near.all(), (mine[key], theirs[key])


@given(pair=intervals("r"), parts=st.lists(st.floats(0, 1, width=32), min_size=4, max_size=4))
def test_actions_in_the_range_of_the_model_are_in_the_bounds_of_the_environment(
    libraries: Libraries, pair: Pair, parts: list[float]
) -> None:
    contract, spec, _ = both_ways([pair], joined=False)
    assert pair.model.range is not None
    low, high = (np.float32(x) for x in pair.model.range)
    output = np.minimum(low + np.array(parts[: pair.value.size], "f4") * (high - low), high)
    for name in NAMES[:2]:
        if name in libraries:
            adapter = resolve(contract, spec, backend=libraries[name].backend)
            action = np.asarray(adapter.act({"r": output})["r"])
            assert (action >= pair.space.low).all() and (action <= pair.space.high).all()


@given(st.data())
def test_rotations_agree_with_scipy_and_with_one_another(data: st.DataObject) -> None:
    transform = pytest.importorskip("scipy.spatial.transform")
    source, middle, target = (data.draw(st.sampled_from(FORMATS)) for _ in range(3))
    array = np.array(data.draw(rotation_numbers(source)))
    matrices = {
        "quaternion_wxyz": lambda x: transform.Rotation.from_quat(np.roll(x, -1)),
        "quaternion_xyzw": lambda x: transform.Rotation.from_quat(x),
        "euler_xyz": lambda x: transform.Rotation.from_euler("xyz", x),
        "axis_angle": lambda x: transform.Rotation.from_rotvec(x),
        "six_d": lambda x: transform.Rotation.from_matrix(
            np.stack([x[:3], x[3:], np.cross(x[:3], x[3:])], -1)
        ),
        "six_d_rows": lambda x: transform.Rotation.from_matrix(
            np.stack([x[:3], x[3:], np.cross(x[:3], x[3:])])
        ),
        "six_d_interleaved": lambda x: transform.Rotation.from_matrix(
            np.stack([x[::2], x[1::2], np.cross(x[::2], x[1::2])], -1)
        ),
        "matrix": lambda x: transform.Rotation.from_matrix(x.reshape(3, 3)),
    }
    wanted = matrices[source.value](array).as_matrix()
    for path in ((target,), (middle, target)):
        numbers, form = array, source
        for step in path:
            numbers, form = convert_rotation(numbers, form, step, np), step
        assert numbers.shape == (LENGTHS[target],)
        np.testing.assert_allclose(matrices[target.value](numbers).as_matrix(), wanted, atol=3e-6)
    if target in REORDERED and not {source, middle} & REORDERED:
        assert numbers["wxyz".index("w") if target.value.endswith("wxyz") else 3] >= 0


@given(axes=st.sampled_from(AXES), data=st.data())
def test_every_order_of_euler_angles_is_scipys(axes: str, data: st.DataObject) -> None:
    transform = pytest.importorskip("scipy.spatial.transform")
    quaternion = np.array(data.draw(rotation_numbers(RotationFormat.QUATERNION_XYZW)))
    form = Form(RotationFormat.EULER, axes)
    angles = convert_rotation(quaternion, RotationFormat.QUATERNION_XYZW, form, np)
    wanted = transform.Rotation.from_quat(quaternion).as_matrix()
    found = transform.Rotation.from_euler(axes, angles).as_matrix()
    np.testing.assert_allclose(found, wanted, atol=3e-6)
    back = convert_rotation(angles, form, RotationFormat.MATRIX, np).reshape(3, 3)
    np.testing.assert_allclose(back, wanted, atol=3e-6)


@given(data=st.data(), local=st.booleans(), form=st.sampled_from(FORMATS))
def test_changes_of_rotations_are_products(
    data: st.DataObject, local: bool, form: RotationFormat
) -> None:
    state, change = (np.array(data.draw(rotation_numbers(form))) for _ in range(2))
    after = compose(state, change, Form(form), np, local=local)
    one, other, both = (as_matrix(x, form).reshape(3, 3) for x in (state, change, after))
    np.testing.assert_allclose(both, one @ other if local else other @ one, atol=3e-6)
    back = compose(state, after, Form(form), np, local=local, undo=True)
    np.testing.assert_allclose(as_matrix(back, form).reshape(3, 3), other, atol=3e-6)


@given(st.one_of(near_fits(), st.tuples(wild_contracts(), wild_specs())))
def test_whatever_both_sides_say_it_fits_or_the_reasons_are_told(
    libraries: Libraries, sides: tuple[EnvContract, ModelSpec]
) -> None:
    contract, spec = sides
    try:
        adapter = resolve(contract, spec, backend=libraries["numpy"].backend)
    except AdapterError as error:
        problems = error.problems
    else:
        event("fits")
        with np.errstate(all="ignore"):  # Bounds and statistics may be anything.
            check_use(adapter, contract, spec, libraries["numpy"])
        return
    assert problems and all(p.path and p.expected and p.actual and p.fix for p in problems)


def check_use(adapter: Adapter, contract: EnvContract, spec: ModelSpec, library: Library) -> None:
    """Check that inputs fit the spec and actions the space, or that a value is refused."""
    episode = adapter.episode("go" if adapter.writes_instruction else None)
    try:
        found = episode.observe(contract.observation_space.sample())
    except InvalidValueError:
        found = {}
    for port in spec.inputs:
        value = found.get(port.name, "") if isinstance(found, dict) else found
        if not isinstance(value, str):
            assert port.dtype is None or value.dtype == np.dtype(port.dtype.name)
            assert port.shape in (None, value.shape)
    try:
        action = adapter.act(sampled_outputs(library, contract, spec), episodes=(episode,))
    except InvalidValueError:
        return
    for key, leaf in contract.action_space.children:
        if leaf.kind in ("box", "multi_binary", "multi_discrete"):
            assert action[key].shape == leaf.shape
            assert action[key].dtype.name == leaf.dtype.name


def sampled_outputs(library: Library, contract: EnvContract, spec: ModelSpec) -> dict[str, Any]:
    """What a model returns to make a sample of the action space, as far as that can be had."""
    sample: Any = contract.action_space.sample()
    inputs = tuple(
        ModelInput(port.name, port.feature, None, port.shape, port.normalization)
        for port in spec.outputs
    )
    tags = contract.tags.action if contract.tags is not None else ()
    mirrored = EnvContract("m", contract.action_space, NOTHING, tags=EnvTags(tags))
    try:
        back = resolve(mirrored, ModelSpec(inputs=inputs), backend=library.backend)
        found = back.episode("go" if back.writes_instruction else None).observe(sample)
    except (AdapterError, InvalidValueError):
        return {port.name: 0.0 for port in spec.outputs}
    return found if isinstance(found, dict) else {"": found}
