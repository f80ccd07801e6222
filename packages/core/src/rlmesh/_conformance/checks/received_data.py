"""Actions that are no values of their space (§12): refused, without a call of the environment."""

from __future__ import annotations

import struct
from typing import Any

from rlmesh._conformance.connection import refused_with
from rlmesh._conformance.elements import element_of, elements_of, range_of
from rlmesh._conformance.findings import Blocked, NotOffered, expect
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import check
from rlmesh._conformance.slabs import leaves, multi_discrete_ranges


def _refused(probe: Probe, change: Any) -> Any:
    """Change the slabs of an action; expect INVALID_VALUE, and a session that goes on."""
    session = probe.playing()
    request = probe.step_request()
    slabs = list(request.action.slabs)
    change(slabs)
    del request.action.slabs[:]
    request.action.slabs.extend(slabs)
    failure = refused_with(session.ask("step", request), "INVALID_VALUE", closed=False)
    session.must("reset")
    session.finish()
    return failure


def _leaf(probe: Probe, *kinds: str) -> tuple[str, int, Any]:
    """Return the first leaf of some kinds of the action space."""
    for kind, at, space in leaves(probe.contract.action_space):
        if kind in kinds:
            return kind, at, space
    raise NotOffered(f"no {' or '.join(kinds)} that every action has")


def _end_with(at: int, data: bytes) -> Any:
    """Return what replaces the end of a slab."""

    def change(slabs: list[bytes]) -> None:
        if len(slabs[at]) < len(data):
            raise Blocked("the action has no element to change")
        slabs[at] = slabs[at][: len(slabs[at]) - len(data)] + data

    return change


@check("V-3")
def missing_slab_is_invalid(probe: Probe) -> None:
    """Answer an action with a slab less with INVALID_VALUE."""
    _refused(probe, lambda slabs: slabs.pop())


@check("V-3")
def additional_slab_is_invalid(probe: Probe) -> None:
    """Answer an action with a slab more, an empty one included, with INVALID_VALUE."""
    for data in (b"", b"\0"):
        _refused(probe, lambda slabs, data=data: slabs.append(data))


@check("V-4")
def short_slab_is_invalid(probe: Probe) -> None:
    """Answer an action with a slab that is too short with INVALID_VALUE."""

    def shorten(slabs: list[bytes]) -> None:
        at = next((i for i, slab in enumerate(slabs) if slab), None)
        if at is None:
            raise NotOffered("no action has a byte")
        slabs[at] = slabs[at][:-1]

    _refused(probe, shorten)


@check("V-4")
def long_slab_is_invalid(probe: Probe) -> None:
    """Answer an action with a slab that is too long with INVALID_VALUE."""

    def lengthen(slabs: list[bytes]) -> None:
        slabs[0] += slabs[0] or b"\0"

    _refused(probe, lengthen)


@check("V-4")
def empty_slab_is_invalid(probe: Probe) -> None:
    """Answer an action with an empty slab in place of another one with INVALID_VALUE."""

    def empty(slabs: list[bytes]) -> None:
        at = next((i for i, slab in enumerate(slabs) if slab), None)
        if at is None:
            raise NotOffered("no action has a byte")
        slabs[at] = b""

    _refused(probe, empty)


@check("V-7", "act:multi_binary")
def other_bytes_of_multi_binary_are_invalid(probe: Probe) -> None:
    """Answer a byte of a MultiBinary that is neither 0 nor 1 with INVALID_VALUE."""
    _, at, _ = _leaf(probe, "multi_binary")
    for byte in (b"\2", b"\xff"):
        _refused(probe, _end_with(at, byte))


@check("V-7", "act:bool")
def other_bytes_of_bool_are_invalid(probe: Probe) -> None:
    """Answer a byte of a BOOL that is neither 0 nor 1 with INVALID_VALUE."""
    for kind, at, space in leaves(probe.contract.action_space):
        if kind == "box" and space.dtype == 1:
            _refused(probe, _end_with(at, b"\2"))
            return
    raise NotOffered("no BOOL that every action has")


@check("V-8", "act:discrete")
def integer_above_its_range_is_invalid(probe: Probe) -> None:
    """Answer an integer above the range of its Discrete with INVALID_VALUE."""
    _, at, space = _leaf(probe, "discrete")
    start = int(element_of(space.dtype, space.start)) if space.start else 0
    low, high = range_of(space.dtype)
    for number in {min(start + space.n, high), high}:
        if number >= start + space.n:
            _refused(probe, _end_with(at, elements_of(space.dtype, [number])))
    expect(low <= start, "a start within the dtype", start)


@check("V-8", "act:discrete")
def integer_below_its_range_is_invalid(probe: Probe) -> None:
    """Answer an integer below the start of its Discrete with INVALID_VALUE."""
    _, at, space = _leaf(probe, "discrete")
    start = int(element_of(space.dtype, space.start)) if space.start else 0
    if start == range_of(space.dtype)[0]:
        raise NotOffered("its start is the smallest number of the dtype")
    _refused(probe, _end_with(at, elements_of(space.dtype, [start - 1])))


@check("V-8", "act:multi_discrete")
def element_outside_its_range_is_invalid(probe: Probe) -> None:
    """Answer an element of a MultiDiscrete outside its range with INVALID_VALUE."""
    _, at, space = _leaf(probe, "multi_discrete")
    counts, starts = multi_discrete_ranges(space)
    above = starts[-1] + counts[-1]
    if above > range_of(space.dtype)[1]:
        raise NotOffered("its range ends with the dtype")
    _refused(probe, _end_with(at, elements_of(space.dtype, [above])))


NOT_UTF_8 = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3")
"""A byte that never occurs, a long form, a surrogate, above U+10FFFF, half a character."""


@check("V-9", "act:text")
def text_that_is_no_utf8_is_invalid(probe: Probe) -> None:
    """Answer a text that is not valid UTF-8 with INVALID_VALUE."""
    _, at, _ = _leaf(probe, "text")
    lanes = probe.contract.num_envs if probe.contract.vector else 1
    for data in NOT_UTF_8:

        def change(slabs: list[bytes], data: bytes = data) -> None:
            slabs[at] = struct.pack(f"<{lanes}I", *[0] * (lanes - 1), len(data))
            slabs[at + 1] = data

        _refused(probe, change)


@check("V-9", "act:text")
def text_of_another_length_is_invalid(probe: Probe) -> None:
    """Answer texts with lengths that do not add up to their bytes with INVALID_VALUE."""
    _, at, _ = _leaf(probe, "text")

    def change(slabs: list[bytes]) -> None:
        slabs[at + 1] += b"a"

    _refused(probe, change)


@check("V-12", "act:one_of")
def index_of_no_alternative_is_invalid(probe: Probe) -> None:
    """Answer an index of no alternative with INVALID_VALUE."""
    _, at, space = _leaf(probe, "one_of")
    for index in (len(space.spaces), 2**32 - 1):
        _refused(probe, _end_with(at, struct.pack("<I", index)))


def _graph(probe: Probe, flags: int, nodes: int, edges: int, links: bytes) -> None:
    """Send a graph without features; the other slabs of the action stay as they are."""
    _, at, space = _leaf(probe, "graph")
    if probe.contract.vector:
        raise NotOffered("the contract is a vector")
    expect(space.HasField("node_space"), "a node_space", "none")
    head = [bytes([flags]), struct.pack("<I", nodes), struct.pack("<I", edges), links]

    def change(slabs: list[bytes]) -> None:
        slabs[at : at + 4] = head

    _refused(probe, change)


@check("V-10", "act:graph")
def unknown_flags_of_a_graph_are_invalid(probe: Probe) -> None:
    """Answer a graph with other flags than bits 0 and 1 with INVALID_VALUE."""
    _graph(probe, 4, 0, 0, b"")


@check("V-10", "act:graph")
def edges_without_a_flag_are_invalid(probe: Probe) -> None:
    """Answer a graph with an edge count but neither flag with INVALID_VALUE."""
    _graph(probe, 0, 0, 1, b"")


@check("V-11", "act:graph", "act:edges")
def links_to_no_node_are_invalid(probe: Probe) -> None:
    """Answer an edge link to a node that is not there with INVALID_VALUE."""
    _, at, _ = _leaf(probe, "graph")

    def change(slabs: list[bytes]) -> None:
        edges = len(slabs[at + 3]) // 8
        if not edges:
            raise NotOffered("the action has no edge")
        slabs[at + 3] = struct.pack("<i", 2**31 - 1) + slabs[at + 3][4:]

    session_graph(probe, at, change)


def session_graph(probe: Probe, at: int, change: Any) -> None:
    """Refuse the first sampled action with an edge, after a change."""
    for seed in range(16):
        request = probe.step_request(seed)
        slabs = list(request.action.slabs)
        if len(slabs[at + 3]) >= 8:
            session = probe.playing()
            change(slabs)
            del request.action.slabs[:]
            request.action.slabs.extend(slabs)
            refused_with(session.ask("step", request), "INVALID_VALUE", closed=False)
            return
    raise NotOffered("no action with an edge was found")


@check("V-14")
def invalid_action_has_a_reason(probe: Probe) -> None:
    """Send `path`, `expected` and `actual` with INVALID_VALUE."""
    failure = _refused(probe, lambda slabs: slabs.append(b"\0" * 3))
    for name in ("path", "expected", "actual"):
        expect(getattr(failure, name), f"Failure.{name}", "an empty one")


@check("B-17")
def padding_is_ignored(probe: Probe) -> None:
    """Ignore the padding of a Value."""
    session = probe.playing()
    answer = None
    for seed in range(8):
        request = probe.step_request(seed)
        request.action.padding.extend([bytes(7), b"", bytes(64)])
        answer = session.ask("step", request)
        if answer.error.code != 1:  # USER_EXCEPTION: the environment's own affair.
            break
    stepped = answer is not None and answer.WhichOneof("response") == "step"
    expect(stepped, "an answer step", answer and answer.error.message)
