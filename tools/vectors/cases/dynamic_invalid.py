"""Serialised self-describing values that are refused."""

from __future__ import annotations

from rlmesh_proto.spaces.v1 import value_pb2

from ..declare import BadDynamic
from ..dynamic import mapping, message, tensor
from ..values import Tagged, integer

__all__ = ["ALL"]

DynamicValue = value_pb2.DynamicValue
NULL = DynamicValue(null_value=value_pb2.Null())


def _deep(kind: str, levels: int) -> DynamicValue:
    value: Tagged = {"null": None}
    for _ in range(levels - 1):
        if kind == "map":
            value = mapping(("k", value))
        elif kind == "object_array":
            value = {"object_array": {"shape": [1], "elements": [value]}}
        else:
            value = {kind: [value]}
    return message(value)


def _scalar(dtype: int, data: bytes) -> DynamicValue:
    made = value_pb2.Scalar(data=data)
    made.dtype = dtype  # type: ignore[assignment]
    return DynamicValue(scalar_value=made)


def _tensor(dtype: int, shape: list[int], data: bytes) -> DynamicValue:
    made = value_pb2.Tensor(shape=shape, data=data)
    made.dtype = dtype  # type: ignore[assignment]
    return DynamicValue(tensor_value=made)


def _objects(shape: list[int], elements: int) -> DynamicValue:
    made = value_pb2.ObjectArray(shape=shape, elements=[NULL] * elements)
    return DynamicValue(object_array_value=made)


def _map(*entries: value_pb2.MapEntry) -> DynamicValue:
    return DynamicValue(map_value=value_pb2.DynamicMap(entries=entries))


def _key(other: DynamicValue) -> value_pb2.MapEntry:
    return value_pb2.MapEntry(other=other, value=NULL)


def _case(name: str, value: DynamicValue, rule: str) -> BadDynamic:
    return BadDynamic(name, value.SerializeToString(deterministic=True), rule)


def _numbers() -> list[BadDynamic]:
    return [
        _case("big_int/empty", DynamicValue(big_int_value=b""), "D-2"),
        _case("scalar/too-short", _scalar(12, b"\x00\x00\x00"), "D-4"),
        _case("scalar/too-long", _scalar(6, b"\x00\x00"), "D-4"),
        _case("scalar/empty", _scalar(6, b""), "D-4"),
        _case("scalar/bool-2", _scalar(1, b"\x02"), "D-5 bool"),
        _case("scalar/dtype-unspecified", _scalar(0, b"\x00"), "S-3 none"),
        _case("scalar/dtype-unknown", _scalar(14, b"\x00"), "S-3 unknown"),
        _case("tensor/too-short", _tensor(12, [2], bytes(4)), "D-5 data"),
        _case("tensor/too-long", _tensor(12, [2], bytes(12)), "D-5 data"),
        _case("tensor/not-whole-elements", _tensor(3, [2], bytes(3)), "D-5 data"),
        _case("tensor/0-d-empty", _tensor(6, [], b""), "D-5 data"),
        _case("tensor/zero-size-not-empty", _tensor(6, [0], b"\x00"), "D-5 data"),
        _case("tensor/bool-2", _tensor(1, [2], b"\x01\x02"), "D-5 bool"),
        _case("tensor/dtype-unspecified", _tensor(0, [1], b"\x00"), "S-3 none"),
        _case("tensor/dtype-unknown", _tensor(200, [1], b"\x00"), "S-3 unknown"),
        _case("tensor/large-shape-tiny-data", _tensor(6, [2**20], b"\x00"), "D-5 data"),
        _case("tensor/product-wraps-to-0", _tensor(6, [2**32, 2**32], b""), "M-6"),
        _case("tensor/bytes-wrap-to-0", _tensor(5, [2**61], b""), "M-6"),
        _case("tensor/huge-extents-beside-0", _tensor(6, [2**40, 2**40, 0], b""), "M-6"),
        _case("tensor/33-dimensions", _tensor(6, [1] * 33, b"\x00"), "M-1 tensor dimensions"),
    ]


def _containers() -> list[BadDynamic]:
    cases = [
        _case("no-kind", DynamicValue(), "D-1 kind"),
        _case(
            "list/element-without-kind",
            DynamicValue(list_value=value_pb2.DynamicList(elements=[NULL, DynamicValue()])),
            "D-1 kind",
        ),
        _case("object_array/too-few", _objects([2], 1), "D-5 objects"),
        _case("object_array/too-many", _objects([1], 2), "D-5 objects"),
        _case("object_array/0-d-empty", _objects([], 0), "D-5 objects"),
        _case("object_array/product-wraps-to-0", _objects([2**32, 2**32], 0), "M-6"),
    ]
    for name in ("list", "tuple", "map", "object_array"):
        cases.append(_case(f"nested/25-levels-of-{name}", _deep(name, 25), "D-7"))
    deepest = _map(_key(_deep("tuple", 24)))
    return [*cases, _case("nested/25-levels-by-a-key", deepest, "D-7")]


def _maps() -> list[BadDynamic]:
    named = value_pb2.MapEntry(name="a", value=NULL)
    inner = DynamicValue(tuple_value=value_pb2.DynamicList(elements=[message({"list": []})]))
    return [
        _case("map/entry-without-key", _map(value_pb2.MapEntry(value=NULL)), "D-6 key"),
        _case("map/entry-without-value", _map(value_pb2.MapEntry(name="a")), "D-6 value"),
        _case(
            "map/value-without-kind",
            _map(value_pb2.MapEntry(name="a", value=DynamicValue())),
            "D-1 kind",
        ),
        _case("map/duplicate-name", _map(named, named), "D-6 distinct"),
        _case(
            "map/duplicate-int",
            _map(_key(message(integer(1))), named, _key(message(integer(1)))),
            "D-6 distinct",
        ),
        _case("map/string-as-other", _map(_key(DynamicValue(string_value="a"))), "D-6 string"),
        _case("map/other-without-kind", _map(_key(DynamicValue())), "D-6 kinds"),
        _case("map/list-key", _map(_key(message({"list": []}))), "D-6 kinds"),
        _case("map/scalar-key", _map(_key(_scalar(6, b"\x00"))), "D-6 kinds"),
        _case("map/tensor-key", _map(_key(message(tensor("uint8", [], [0])))), "D-6 kinds"),
        _case("map/map-key", _map(_key(message({"map": []}))), "D-6 kinds"),
        _case("map/list-in-tuple-key", _map(_key(inner)), "D-6 kinds"),
        _case(
            "map/bool-2-in-a-value",
            _map(value_pb2.MapEntry(name="it's", value=_scalar(1, b"\x02"))),
            "D-5 bool",
        ),
    ]


def _wire() -> list[BadDynamic]:
    """Return bytes that no protobuf writer makes."""
    return [
        BadDynamic("wire/string-not-utf-8", b"\x32\x01\xff", "G-7"),
        BadDynamic("wire/string-with-surrogate", b"\x32\x03\xed\xa0\x80", "G-7"),
        BadDynamic("wire/name-not-utf-8", b"\x6a\x07\x0a\x05\x0a\x01\x80\x1a\x00", "G-7"),
        BadDynamic("wire/truncated-float", b"\x29\x00\x00", "G-1"),
        BadDynamic("wire/truncated-bytes", b"\x3a\x05\x00", "G-1"),
        BadDynamic("wire/length-of-4-GiB", b"\x3a\xff\xff\xff\xff\x0f\x00", "G-1"),
        BadDynamic("wire/unknown-kind", b"\xf2\x01\x00", "D-1 kind"),
    ]


ALL = [*_numbers(), *_containers(), *_maps(), *_wire()]
