"""The actions of `step_many`: an error has the path of the bad one (X-6)."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import spaces
from rlmesh._codec import SpaceCodec
from rlmesh._codec.actions import decode_actions, encode_actions
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError, InvalidValueError
from rlmesh.spaces import GraphInstance

FOUR = spaces.Discrete(4, dtype="int8")
ARM = spaces.Dict({"arm": FOUR, "word": spaces.Text(5, min_length=0, charset="abé")})
MANY = spaces.Sequence(FOUR)
EITHER = spaces.OneOf([FOUR, spaces.Text(5)])
GRAPH = spaces.Graph(FOUR, FOUR)
BOX = spaces.Box(0, 1, (2,))


def graph(nodes: Any, links: Any) -> GraphInstance:
    return GraphInstance(nodes, [0] * len(links), links)


CASES: list[tuple[Any, list[Any], Any, str]] = [
    (FOUR, [0, 1, 2], 4, "actions[3]"),
    (ARM, [{"arm": 1, "word": "ab"}], {"arm": 4, "word": ""}, "actions[1]['arm']"),
    (ARM, [{"arm": 1, "word": "é"}] * 2, {"arm": 0}, "actions[2]"),
    (MANY, [(0, 1, 2), ()], (1, -1), "actions[2][0]"),
    (EITHER, [(0, 1), (1, "b"), (0, 2)], (0, 9), "actions[3][0]"),
    (
        GRAPH,
        [graph([0, 1], [[0, 1]]), graph([], [])],
        graph([0], [[0, 1]]),
        "actions[2].edge_links",
    ),
    (BOX, [[0, 1]] * 2, [0, 2], "actions[2]"),
]
"""A space, good actions, a bad one, and the path of its fault if it comes after them."""


@pytest.mark.parametrize(("space", "good", "bad", "path"), CASES, ids=lambda x: f"{x!s:.20}")
def test_a_sender_tells_which(space: Any, good: list[Any], bad: Any, path: str) -> None:
    codec = SpaceCodec(space, NATIVE, root="action", validation="strict")
    with pytest.raises(InvalidValueError) as caught:
        encode_actions(codec, [*good, bad, bad], None)
    assert caught.value.path == path


SWAPS: list[tuple[Any, list[Any], bytes, bytes, str]] = [
    (FOUR, [0, 1, 3], b"\3", b"\4", "actions[2]"),
    (
        ARM,
        [{"arm": 1, "word": "ab"}, {"arm": 2, "word": "é"}],
        b"\xa9",
        b"\0",
        "actions[1]['word']",
    ),
    (MANY, [(0, 1, 2), (), (3,)], b"\3", b"\4", "actions[2][0]"),
    (EITHER, [(0, 1), (1, "b"), (0, 3)], b"\3", b"\4", "actions[2][0]"),
    (EITHER, [(0, 1), (1, "b")], b"\1\0\0\0", b"\2\0\0\0", "actions"),
    (
        GRAPH,
        [graph([0] * 6, [[5, 0]]), graph([0], [[0, 0]])],
        b"\5",
        b"\6",
        "actions[0].edge_links",
    ),
    (BOX, [[0, 1], [0, 0.5]], b"\x3f", b"\x40", "actions[0]"),
]
"""A space, actions, some of their bytes, others in their place, and the path of the fault."""


@pytest.mark.parametrize(("space", "good", "old", "new", "path"), SWAPS, ids=lambda x: f"{x!s:.20}")
def test_a_receiver_tells_which(
    space: Any, good: list[Any], old: bytes, new: bytes, path: str
) -> None:
    codec = SpaceCodec(space, NATIVE, root="action", validation="strict")
    slabs = [bytes(slab) for slab in encode_actions(codec, good, None)]
    place = next(i for i in reversed(range(len(slabs))) if old in slabs[i])
    slabs[place] = new.join(slabs[place].split(old))
    with pytest.raises((CodecError, InvalidValueError)) as caught:
        decode_actions(codec, slabs, len(good), None)
    assert caught.value.path == path


def test_of_a_vector_it_tells_the_step() -> None:
    codec = SpaceCodec(FOUR, NATIVE, root="action")
    slabs = encode_actions(codec, [(0, 1), (2, 3), (1, 1)], 2)
    assert [[*batch] for batch in decode_actions(codec, slabs, 3, 2)] == [[0, 1], [2, 3], [1, 1]]
    with pytest.raises(InvalidValueError, match=r"^actions\[1\]: "):
        encode_actions(codec, [(0, 1), (2, 4)], 2)
    with pytest.raises(InvalidValueError, match=r"^actions\[1\]: expected a batch of 2"):
        encode_actions(codec, [(0, 1), (2,)], 2)
    with pytest.raises(CodecError, match=r"^actions\[1\]: "):
        decode_actions(codec, [b"\0\1\2\4"], 2, 2)


@pytest.mark.parametrize("slabs", [[], [b"\0"], [b"\0\1", b""]], ids=len)
def test_slabs_that_no_action_can_be_told_from(slabs: list[bytes]) -> None:
    codec = SpaceCodec(FOUR, NATIVE, root="action")
    with pytest.raises(CodecError, match=r"^actions: action: V-[34]: expected "):
        decode_actions(codec, slabs, 2, None)


def test_actions_of_nothing_are_not_looked_at_one_by_one() -> None:
    nothing = spaces.OneOf([spaces.Tuple([])] * 2000)
    codec = SpaceCodec(nothing, NATIVE, root="action")
    with pytest.raises(CodecError, match=r"^actions: action"):
        decode_actions(codec, [b"\xff" * 4 * 65_536], 65_536, None)
