"""Servers that send what breaks a rule: spaces, observations, infos and tags."""

from __future__ import annotations

import random
import struct
from typing import Any

from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh._conformance.slabs import sample
from tests.conformance.broken.env_service import DIGIT, EVERY, RightEcho, RightEnv
from tests.conformance.broken.registry import broken

own = RightEnv


def space(**kind: Any) -> Any:
    return space_pb2.Space(**kind)


def box(**fields: Any) -> Any:
    bounds = {"low": {"uniform": b"\0"}, "high": {"uniform": b"\1"}}
    return space(box={"dtype": 6, "shape": [2], **bounds, **fields})


def nested(depth: int) -> Any:
    found = DIGIT
    for _ in range(depth - 1):
        found = space(tuple={"spaces": [found]})
    return found


SPACES = {
    "S-1": ("has no kind", space()),
    "S-2": ("has 25 levels", nested(25)),
    "S-3": ("has dtype 0", space(box={"shape": [1]})),
    "S-5": ("has a Box without an upper bound", box(high=None)),
    "S-6": ("has a Box with low above high", box(low={"uniform": b"\2"})),
    "S-7": ("has a Discrete of no value", space(discrete={"dtype": 5})),
    "S-8": ("has a MultiBinary without a dimension", space(multi_binary={})),
    "S-9": (
        "has a MultiDiscrete with a short nvec",
        space(multi_discrete={"dtype": 6, "shape": [2], "nvec": b"\2"}),
    ),
    "S-10": ("has a Text without a charset", space(text={"max_length": 3})),
    "S-11": (
        "has a Dict with a key twice",
        space(dict={"entries": [{"name": "a", "space": DIGIT}] * 2}),
    ),
    "S-12": ("has a Sequence of nothing", space(sequence={})),
    "S-13": ("has a Graph whose nodes have no slab", space(graph={"node_space": {"tuple": {}}})),
    "S-14": ("has a OneOf of nothing", space(one_of={})),
    "S-16": (
        "marks a bound that is not the dtype's end",
        box(low={"uniform": b"\1", "unbounded": b"\1"}, high={"uniform": b"\2"}),
    ),
}
for _rule, (_words, _space) in SPACES.items():
    broken(_rule, _words, observations=_space, first=f"spaces-of-{_rule.lower()}")
broken(
    "S-7",
    "has a Discrete beyond its dtype",
    actions=space(discrete={"dtype": 2, "n": 200}),
)
broken(
    "S-6",
    "has a Box with NaN",
    observations=space(
        box={"dtype": 12, "low": {"uniform": b"\0\0\xc0\x7f"}, "high": {"uniform": b"\0\0\xc0\x7f"}}
    ),
)
broken("S-5", "has bounds of another size", observations=box(high={"elementwise": b"\1\1\1"}))


def contract(**fields: Any) -> Any:
    """Return a `contract` with other fields; None clears one."""

    def made(self: Any) -> Any:
        found = own.contract(self)
        for name, value in fields.items():
            found.ClearField(name)
            if value is not None:
                found.MergeFrom(type(found)(**{name: value}))
        return found

    return made


broken("T-3", "has no id", contract=contract(id=None), first="contract-has-an-id")
broken(
    "T-3", "has no action space", contract=contract(action_space=None), first="contract-has-spaces"
)
broken("T-3", "has no lane", contract=contract(num_envs=0), first="contract-has-lanes")
broken(
    "T-3", "exposes a name twice", exposed=("count", "count"), first="exposed-names-are-distinct"
)
broken(
    "L-1",
    "has two lanes and is no vector",
    contract=contract(num_envs=2),
    first="single-contract-has-one-lane",
)
broken("E-8", "writes another version into its contract", contract=contract(spec_version="0.9.0"))
TAG = {"observation": [{"path": [{"name": "camera"}], "feature": {"role": "image"}}]}
broken("T-1", "tags a leaf that there is not", contract=contract(tags=TAG))
PART = {"observation": [{"length": 3, "feature": {"role": "image"}}]}
broken("T-1", "tags a part without an offset", contract=contract(tags=PART))


def observing(*slabs: bytes) -> Any:
    return lambda self, session: value_pb2.Value(slabs=slabs)


broken(
    "V-3", "sends a slab more", observation=observing(bytes(8), b""), first="observations-of-v-3"
)
broken("V-4", "sends a short slab", observation=observing(bytes(4)), first="observations-of-v-4")
broken(
    "V-8",
    "sends an integer outside its range",
    observation=observing(struct.pack("<q", 100)),
    first="observations-of-v-8",
)

# Positions of the slabs of EVERY.
FLAGS, TEXTS, STACK, GRAPH, CHOICE = 1, 5, 9, 10, 16


def echoing(at: int, *slabs: bytes) -> Any:
    """Return an `observation` with other slabs from a position on."""

    def made(self: Any, session: Any) -> Any:
        found = sample(EVERY, None, random.Random(1))
        for i, slab in enumerate(slabs):
            found.slabs[at + i] = slab
        return found

    return made


broken(
    "V-7", "sends a byte 2 as a truth value", base=RightEcho, observation=echoing(FLAGS, b"\0\1\2")
)
broken(
    "V-9",
    "sends a text that is no UTF-8",
    base=RightEcho,
    observation=echoing(TEXTS, struct.pack("<I", 1), b"\xff"),
)
broken(
    "V-15",
    "sends a stack without slabs",
    base=RightEcho,
    observation=echoing(STACK, struct.pack("<I", 2)),
)
broken(
    "V-12",
    "sends an index of no alternative",
    base=RightEcho,
    observation=echoing(CHOICE, struct.pack("<I", 2)),
)
GRAPHS = (struct.pack("<I", 1), struct.pack("<I", 1))
broken(
    "V-10",
    "sends a graph with unknown flags",
    base=RightEcho,
    observation=echoing(GRAPH, b"\7", *GRAPHS, bytes(8), bytes(3), b"\1"),
)
broken(
    "V-11",
    "sends an edge to no node",
    base=RightEcho,
    observation=echoing(GRAPH, b"\3", *GRAPHS, struct.pack("<ii", 0, 1), bytes(3), b"\1"),
)


def informing(*entries: Any) -> Any:
    """Return a `step` with an info."""

    def made(self: Any, session: Any, action: Any) -> Any:
        answer = own.step(self, session, action)
        return answer if hasattr(answer, "code") else {**answer, "info": {"entries": entries}}

    return made


def valued(**kind: Any) -> Any:
    return informing({"name": "k", "value": kind})


def deep(levels: int) -> Any:
    found: Any = {"null_value": {}}
    for _ in range(levels - 1):
        found = {"list_value": {"elements": [found]}}
    return found


INFOS = {
    "D-1": ("sends a value without a kind", informing({"name": "k", "value": {}})),
    "D-2": ("sends a small integer as a big one", valued(big_int_value=b"\1")),
    "D-4": ("sends a scalar of another size", valued(scalar_value={"dtype": 12, "data": b"\0"})),
    "D-5": (
        "sends a tensor of another size",
        valued(tensor_value={"dtype": 6, "shape": [3], "data": b"\0"}),
    ),
    "D-6": ("sends a key twice", informing(*[{"name": "k", "value": {"null_value": {}}}] * 2)),
    "D-7": ("sends a value of 25 levels", informing({"name": "k", "value": deep(25)})),
}
for _rule, (_words, _step) in INFOS.items():
    broken(_rule, _words, step=_step, first=f"info-of-{_rule.lower()}")
broken(
    "D-5",
    "sends a BOOL 2 in a tensor",
    step=valued(tensor_value={"dtype": 1, "shape": [1], "data": b"\2"}),
)
broken(
    "D-6",
    "sends a string as `other`",
    step=informing({"other": {"string_value": "k"}, "value": {"null_value": {}}}),
)

# Values that are received, of an environment with every family.


class Lenient(RightEcho):
    """Takes what a check of `takes` finds as a good action."""

    def bad_action(self, value: Any, batch: int | None, root: str = "action") -> Any:
        if len(value.slabs) == len(GOOD.slabs) and self.takes(value.slabs):
            return None
        return super().bad_action(value, batch, root)

    def step(self, session: Any, action: Any) -> Any:
        return {"observation": GOOD, "reward": 0.5}

    def takes(self, slabs: Any) -> bool:
        return False


GOOD = sample(EVERY, None, random.Random(1))


def taking(name: str, words: str, rule: str, takes: Any) -> None:
    broken(rule, words, base=Lenient, takes=lambda self, slabs: takes(slabs), first=name)


def has_2(slab: bytes) -> bool:
    return any(byte > 1 for byte in slab)


taking(
    "other-bytes-of-multi-binary-are-invalid",
    "takes a byte 2 of a MultiBinary",
    "V-7",
    lambda s: has_2(s[FLAGS]),
)
taking("other-bytes-of-bool-are-invalid", "takes a byte 2 of a BOOL", "V-7", lambda s: has_2(s[4]))
taking(
    "element-outside-its-range-is-invalid",
    "takes an element outside its range",
    "V-8",
    lambda s: s[2][-1:] == b"\3",
)


def no_utf8(slab: bytes) -> bool:
    try:
        slab.decode()
    except UnicodeDecodeError:
        return True
    return False


taking(
    "text-that-is-no-utf8-is-invalid",
    "takes a text that is no UTF-8",
    "V-9",
    lambda s: no_utf8(s[TEXTS + 1]),
)
taking(
    "text-that-is-no-utf8-is-invalid",
    "takes surrogates",
    "V-9",
    lambda s: s[TEXTS + 1] == b"\xed\xa0\x80",
)
taking(
    "text-of-another-length-is-invalid",
    "takes a text of another length",
    "V-9",
    lambda s: len(s[TEXTS]) == 4 and struct.unpack("<I", s[TEXTS])[0] < len(s[TEXTS + 1]),
)
taking(
    "index-of-no-alternative-is-invalid",
    "takes an index of no alternative",
    "V-12",
    lambda s: len(s[CHOICE]) == 4 and struct.unpack("<I", s[CHOICE])[0] > 1,
)
taking(
    "unknown-flags-of-a-graph-are-invalid",
    "takes unknown flags of a graph",
    "V-10",
    lambda s: s[GRAPH] == b"\4",
)
taking(
    "edges-without-a-flag-are-invalid",
    "takes edges without a flag",
    "V-10",
    lambda s: s[GRAPH] == b"\0" and s[GRAPH + 2] == struct.pack("<I", 1),
)
taking(
    "links-to-no-node-are-invalid",
    "takes links to no node",
    "V-11",
    lambda s: s[GRAPH + 3][:4] == struct.pack("<i", 2**31 - 1),
)
