"""The thin host's codec against the golden vectors."""

from __future__ import annotations

from operator import attrgetter

import pytest
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh_thin.containers import check_space
from rlmesh_thin.dynamic import DYNAMIC, DynamicReader, DynamicWriter
from rlmesh_thin.faults import LIMIT_EXCEEDED, Fault
from rlmesh_thin.spaces import Space, decode_values, encode_values
from rlmesh_thin.wire import Unreadable, check_message
from tests.cases import for_each
from tests.conformance import vectors
from tests.conformance.vectors import Broken

from . import thin_spaces


def read_space(proto: bytes) -> Space:
    space = thin_spaces.space_of(space_pb2.Space.FromString(proto), "value")
    check_space(space)
    return space


def assert_broken(fault: Fault, broken: Broken, root: str) -> None:
    name = {2: "MALFORMED", 3: "INVALID_VALUE", 8: "UNSUPPORTED", 13: "LIMIT_EXCEEDED"}
    allowed = {broken.code, "ERROR_CODE_LIMIT_EXCEEDED"}
    assert f"ERROR_CODE_{name[fault.code]}" in allowed or "LIMIT" in broken.code
    # A limit on a whole space, and a depth, may be found at the root.
    assert fault.path.startswith(root + broken.error_path) or broken.contract in ("S-2", "M-1")


@for_each("case", vectors.space_cases(), ids=attrgetter("name"))
def test_a_space_is_written_as_a_writer_sends_it(case: vectors.SpaceCase) -> None:
    written = read_space(case.space_proto).proto
    assert written == case.canonical_proto


@for_each("case", vectors.invalid_space_cases(), ids=attrgetter("name"))
def test_a_space_that_breaks_a_rule_is_refused(case: vectors.InvalidSpaceCase) -> None:
    with pytest.raises(Fault) as caught:
        read_space(case.space_proto)
    assert_broken(caught.value, case.broken, "value")


@for_each("case", vectors.value_cases(), ids=attrgetter("name"))
def test_values_have_the_vectors_bytes(case: vectors.ValueCase) -> None:
    space = read_space(case.space_proto)
    values = [thin_spaces.value_of(space, tagged) for tagged in case.values]
    assert tuple(map(bytes, encode_values(space, values))) == case.slabs
    decoded = decode_values(space, [memoryview(slab) for slab in case.slabs], len(values))
    assert tuple(map(bytes, encode_values(space, decoded))) == case.slabs
    reports: list[str] = []
    if space.bounded:
        for value in decoded:
            space.report(value, lambda path, message: reports.append(path))
    assert bool(reports) is not case.conforms


@for_each("case", vectors.invalid_value_cases(), ids=attrgetter("name"))
def test_slabs_that_break_a_rule_are_refused(case: vectors.InvalidValueCase) -> None:
    space = read_space(case.space_proto)
    count = 1 if case.batch_size is None else case.batch_size
    with pytest.raises(Fault) as caught:
        decode_values(space, case.slabs, count)
    assert_broken(caught.value, case.broken, "value")


@for_each("case", vectors.dynamic_cases(), ids=attrgetter("name"))
def test_a_dynamic_value_comes_back_as_its_writer_sends_it(case: vectors.DynamicCase) -> None:
    check_message(case.proto, DYNAMIC)
    value = DynamicReader().value(case.proto, "info")
    written = DynamicWriter("info").value(value)
    assert value_pb2.DynamicValue.FromString(written) is not None
    assert written == case.canonical_proto


@for_each("case", vectors.invalid_dynamic_cases(), ids=attrgetter("name"))
def test_a_dynamic_value_that_breaks_a_rule_is_refused(case: vectors.InvalidDynamicCase) -> None:
    with pytest.raises((Fault, Unreadable)) as caught:
        check_message(case.proto, DYNAMIC)
        DynamicReader().value(case.proto, "info")
    if isinstance(caught.value, Fault):
        assert_broken(caught.value, case.broken, "info")
    assert LIMIT_EXCEEDED == 13
