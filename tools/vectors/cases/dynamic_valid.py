"""Valid self-describing values."""

from __future__ import annotations

from typing import Any

from rlmesh_proto.spaces.v1 import value_pb2

from ..declare import ValidDynamic
from ..dynamic import floating, mapping, scalar, tensor
from ..elements import FLOATS, INTEGERS, Bits, Number, limits
from ..values import Tagged, b64, integer
from .values_leaves import BORDERS, NANS

__all__ = ["CONTAINERS", "NUMBERS", "SIMPLE"]

NULL: Tagged = {"null": None}
TRUE: Tagged = {"bool": True}
DynamicValue = value_pb2.DynamicValue


def text(value: str) -> Tagged:
    """Return a string."""
    return {"string": value}


def octets(data: bytes) -> Tagged:
    """Return bytes."""
    return {"bytes": b64(data)}


def objects(shape: list[int], *elements: Tagged) -> Tagged:
    """Return an object array."""
    return {"object_array": {"shape": shape, "elements": list(elements)}}


INTS = {
    "0": 0,
    "1": 1,
    "-1": -1,
    "2^53+1": 2**53 + 1,
    "2^63-1": 2**63 - 1,
    "-2^63": -(2**63),
    "2^63": 2**63,
    "-2^63-1": -(2**63) - 1,
    "2^64-1": 2**64 - 1,
    "-2^64": -(2**64),
    "2^71-1": 2**71 - 1,
    "-2^71": -(2**71),
    "2^71": 2**71,
    "10^100": 10**100,
    "-10^100": -(10**100),
}
FLOAT_VALUES = {
    "0": 0.0,
    "-0": -0.0,
    "1.5": 1.5,
    "0.1": 0.1,
    "inf": float("inf"),
    "-inf": -float("inf"),
}
FLOAT_BITS = {
    "nan": 0x7FF8000000000000,
    "nan-payload": 0x7FF80000DEADBEEF,
    "nan-negative": 0xFFF8000000000000,
    "smallest": 1,
    "largest": 0x7FEFFFFFFFFFFFFF,
}
STRINGS = {
    "empty": "",
    "ascii": "hello",
    "multi-byte": "é漢",
    "astral": "😀\U0010ffff",
    "combining": "e\u0301",
    "nul": "a\x00b",
    "lines": "a\r\nb\u2028",
    "noncharacter": "\uffff",
}


def _simple() -> list[ValidDynamic]:
    made = [
        ValidDynamic("null", NULL),
        ValidDynamic("bool/true", TRUE),
        ValidDynamic("bool/false", {"bool": False}),
        ValidDynamic("bytes/empty", octets(b"")),
        ValidDynamic("bytes/all", octets(bytes(range(256)))),
        ValidDynamic("bytes/not-utf-8", octets(b"\xff\xfe\xc0\x80")),
    ]
    made += [ValidDynamic(f"int/{name}", integer(value)) for name, value in INTS.items()]
    made += [ValidDynamic(f"float/{name}", floating(value)) for name, value in FLOAT_VALUES.items()]
    made += [
        ValidDynamic(f"float/{name}", floating(bits=value)) for name, value in FLOAT_BITS.items()
    ]
    made += [ValidDynamic(f"string/{name}", text(value)) for name, value in STRINGS.items()]
    longer = DynamicValue(big_int_value=(2**63).to_bytes(16, "little", signed=True))
    padded = DynamicValue(big_int_value=(-(2**63) - 1).to_bytes(10, "little", signed=True))
    return made + [
        ValidDynamic("int/big-in-more-bytes", integer(2**63), longer.SerializeToString()),
        ValidDynamic(
            "int/big-negative-in-more-bytes", integer(-(2**63) - 1), padded.SerializeToString()
        ),
    ]


def _numbers() -> list[ValidDynamic]:
    made: list[ValidDynamic] = []
    extremes: dict[str, list[Number]] = {name: list(limits(name)) for name in ("bool", *INTEGERS)}
    for name in FLOATS:
        extremes[name] = [-0.0, float("-inf"), *NANS[name], *BORDERS[name]]
    for name, elements in extremes.items():
        made += [
            ValidDynamic(f"scalar/{name}-first", scalar(name, elements[0])),
            ValidDynamic(f"scalar/{name}-second", scalar(name, elements[1])),
            ValidDynamic(f"tensor/{name}", tensor(name, [len(elements)], elements)),
        ]
    made += [
        ValidDynamic(f"scalar/{name}-nan-payload", scalar(name, NANS[name][1])) for name in FLOATS
    ]
    return made + [
        ValidDynamic("tensor/0-d", tensor("float32", [], [1.5])),
        ValidDynamic("tensor/0-d-bool", tensor("bool", [], [1])),
        ValidDynamic("tensor/zero-size", tensor("float64", [0], [])),
        ValidDynamic("tensor/zero-size-n-d", tensor("int8", [2, 0, 3], [])),
        ValidDynamic("tensor/c-order", tensor("int32", [2, 3], [1, 2, 3, 4, 5, 6])),
        ValidDynamic("tensor/frame", tensor("uint8", [2, 3, 3], list(range(18)))),
        ValidDynamic("tensor/32-dimensions", tensor("uint8", [1] * 32, [7])),
        ValidDynamic("tensor/one-nan", tensor("float32", [1], [Bits(0xFFC00001)])),
    ]


def _deep(kind: str, levels: int) -> Tagged:
    value: Tagged = NULL
    for _ in range(levels - 1):
        wrapped: dict[str, Any] = {
            "list": {"list": [value]},
            "tuple": {"tuple": [value]},
            "map": mapping(("k", value)),
            "object_array": objects([1], value),
        }
        value = wrapped[kind]
    return value


def _info() -> Tagged:
    """Return an info such as a simulator returns."""
    episode = mapping(("r", scalar("float64", 21.5)), ("l", integer(200)), ("t", floating(1.25)))
    return mapping(
        ("is_success", {"bool": False}),
        ("episode", episode),
        ("final_obs", objects([2], tensor("float32", [2], [0.5, -0.0]), NULL)),
        ("_final_obs", tensor("bool", [2], [1, 0])),
        ("instruction", text("pick up the red block")),
    )


def _containers() -> list[ValidDynamic]:
    one = integer(1)
    pair: Tagged = {"tuple": [one, text("x")]}
    made: dict[str, Tagged] = {
        "list/empty": {"list": []},
        "tuple/empty": {"tuple": []},
        "list/mixed": {"list": [NULL, TRUE, one, floating(-0.0), text("é"), octets(b"\x00")]},
        "tuple/mixed": {"tuple": [NULL, TRUE, one, floating(-0.0), text("é"), octets(b"\x00")]},
        "list/of-tuples": {"list": [{"tuple": []}, {"tuple": [{"list": [one]}]}]},
        "object_array/0-d": objects([], text("only")),
        "object_array/zero-size": objects([0]),
        "object_array/zero-size-n-d": objects([2, 0]),
        "object_array/strings": objects([2], text("a"), text("")),
        "object_array/c-order": objects([2, 2], one, NULL, {"list": []}, floating(0.5)),
        "object_array/nested": objects([1], objects([1], NULL)),
        "map/empty": {"map": []},
        "map/order": mapping(("b", one), ("a", integer(2)), ("c", NULL)),
        "map/empty-name": mapping(("", one)),
        "map/unicode-names": mapping(("é", one), ("e\u0301", one), ("😀", one)),
        "map/null-key": mapping((NULL, one)),
        "map/bool-keys": mapping((TRUE, one), ({"bool": False}, NULL)),
        "map/int-keys": mapping(
            (integer(0), one), (integer(-(2**63)), one), (integer(2**63 - 1), one)
        ),
        "map/big-int-key": mapping((integer(2**64), one)),
        "map/float-keys": mapping((floating(0.5), one), (floating(float("inf")), one)),
        "map/bytes-keys": mapping((octets(b""), one), (octets(b"a"), one)),
        "map/name-and-bytes-alike": mapping(("a", one), (octets(b"a"), NULL)),
        "map/name-and-int-alike": mapping(("1", one), (integer(1), NULL)),
        "map/tuple-keys": mapping(({"tuple": []}, one), (pair, NULL), ({"tuple": [pair]}, one)),
        "map/nested": mapping(("a", mapping(("b", mapping(("c", {"list": [one]})))))),
        "map/info": _info(),
    }
    cases = [ValidDynamic(name, value) for name, value in made.items()]
    for kind in ("list", "tuple", "map", "object_array"):
        cases.append(ValidDynamic(f"nested/24-levels-of-{kind}", _deep(kind, 24)))
    return cases


SIMPLE = _simple()
NUMBERS = _numbers()
CONTAINERS = _containers()
