"""Tags, specs and plans, written and read again."""

from __future__ import annotations

import pickle
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rlmesh_proto.model.v1 import spec_pb2

from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.model_spec import model_spec_from_wire, model_spec_to_wire
from rlmesh.adapters import (
    EnvTags,
    ModelSpec,
    Plan,
    resolve,
)
from rlmesh.backends import NATIVE
from rlmesh.errors import AdapterError, CodecError
from rlmesh.specs import EnvContract
from tests.backends.libraries import Library
from tests.conformance.native_values import one_nan, values_equal
from tests.property.adapter_strategies import both_ways, pairs
from tests.property.spec_strategies import env_tags, model_specs, near_fits

Libraries = dict[str, Library]


@given(spec=model_specs())
def test_specs_travel(spec: ModelSpec) -> None:
    message = spec_pb2.ModelSpec()
    model_spec_to_wire(spec, message, DynamicEncoder(NATIVE))
    data = message.SerializeToString()
    found = model_spec_from_wire(spec_pb2.ModelSpec.FromString(data), NATIVE)
    assert replace(found, metadata={}) == replace(spec, metadata={})
    assert values_equal(found.metadata, spec.metadata)


@given(spec=model_specs())
def test_specs_are_the_same_after_json(spec: ModelSpec) -> None:
    found = ModelSpec.from_json(spec.to_json())
    assert replace(found, metadata={}) == replace(spec, metadata={})
    assert values_equal(found.metadata, one_nan(spec.metadata))


@given(tags=env_tags())
def test_tags_are_the_same_after_json(tags: EnvTags) -> None:
    assert EnvTags.from_json(tags.to_json()) == tags


@given(sides=near_fits())
def test_plans_are_the_same_after_json_and_pickle(
    libraries: Libraries, sides: tuple[EnvContract, ModelSpec]
) -> None:
    try:
        plan = resolve(*sides, backend=libraries["numpy"].backend).plan
    except AdapterError:
        return
    assert plan is not None and Plan.from_json(plan.to_json()) == plan
    assert pickle.loads(pickle.dumps(plan)) == plan and isinstance(hash(plan), int)
    assert plan == resolve(*sides, backend=libraries["numpy"].backend).plan


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda parts: (
        st.lists(parts, max_size=2) | st.dictionaries(st.text(max_size=4), parts, max_size=2)
    ),
    max_leaves=4,
)


def places_of(document: Any) -> list[tuple[Any, Any]]:
    """Every member of a document's objects and lists, with the object or list."""
    keys = list(document) if isinstance(document, dict) else range(len(document))
    found = [(document, key) for key in keys]
    for key in keys:
        if isinstance(document[key], (dict, list)):
            found += places_of(document[key])
    return found


@given(data=st.data())
def test_any_other_document_is_read_or_a_value_error(
    libraries: Libraries, data: st.DataObject
) -> None:
    kind = data.draw(st.sampled_from([EnvTags, ModelSpec, Plan]))
    if kind is Plan:
        contract, spec, _ = both_ways(data.draw(pairs()), joined=False)
        whole: Any = resolve(contract, spec, backend=libraries["numpy"].backend).plan
    else:
        whole = data.draw(env_tags() if kind is EnvTags else model_specs())
    document = whole.to_dict()
    places = places_of(document)
    if places:
        owner, key = data.draw(st.sampled_from(places))
        others = [old[k] for old, k in places]
        value = data.draw(JSON | st.sampled_from(others))
        if isinstance(owner, dict) and data.draw(st.booleans()):
            key = data.draw(st.text(max_size=3) | st.integers(0, 3))
        owner[key] = value
    try:
        found = kind.from_dict(document)
    except ValueError as error:
        assert str(error)  # noqa: PT017
    else:
        assert isinstance(found, kind)


@given(spec=model_specs(), at=st.integers(0, 2**16), byte=st.integers(0, 255))
def test_damaged_specs_are_refused_or_read(spec: ModelSpec, at: int, byte: int) -> None:
    message = spec_pb2.ModelSpec()
    model_spec_to_wire(spec, message, DynamicEncoder(NATIVE))
    data = bytearray(message.SerializeToString())
    data[at % len(data)] = byte
    try:
        damaged = spec_pb2.ModelSpec.FromString(bytes(data))
    except Exception:  # protobuf's own error is of no public type.
        return
    try:
        found = model_spec_from_wire(damaged, NATIVE)
    except CodecError:
        return
    if found.predict_forms:
        model_spec_to_wire(found, spec_pb2.ModelSpec(), DynamicEncoder(NATIVE))
