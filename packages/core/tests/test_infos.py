"""An info of any objects is written so that it is read: D-8, and the limits of §15."""

from __future__ import annotations

import re
import time
import warnings
from collections import UserDict
from collections.abc import Callable, Iterator
from enum import Enum, IntEnum
from pathlib import Path
from typing import Any

import pytest
from rlmesh_proto.spaces.v1 import value_pb2

from rlmesh._messages import env as m
from rlmesh._wire import dynamic_limits
from rlmesh._wire.dynamic import DynamicEncoder, InexactValueWarning, dynamic_from_wire
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError, InvalidValueError

NAN = float("nan")


class Same:
    def __repr__(self) -> str:
        return "same"


class Unspeakable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


class Unreadable(UserDict[str, int]):
    def __iter__(self) -> Iterator[str]:
        raise OSError("gone")


class Color(str, Enum):
    RED = "red"


class Number(IntEnum):
    ONE = 1


def read(info: Any) -> Any:
    """What arrives of an info."""
    frames = EnvWireCodec(NATIVE)
    reply = frames.read_reply(frames.write_reply(1, m.StepDone(m.Encoded([]), info=info)))[1]
    assert isinstance(reply, m.StepDone)
    return dict(reply.info)


def replaced(info: Any) -> tuple[Any, list[str]]:
    """What arrives of an info, and the warnings."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        back = read(info)
    assert caught and all(w.category is InexactValueWarning for w in caught)
    return back, [str(w.message) for w in caught]


def nested(count: int, make: Callable[[Any], Any], inner: Any) -> Any:
    for _ in range(count):
        inner = make(inner)
    return inner


def test_two_keys_that_are_nan_arrive() -> None:
    back, told = replaced({"visits": {float("nan"): 1, float("nan"): 2, float("nan"): 3}})
    values = back["visits"]
    assert list(values.values()) == [1, 2] and list(values)[1] == "nan"
    assert "the name 'nan' was sent instead" in told[0] and told[0].startswith(
        "info['visits'][nan]"
    )


def test_keys_of_an_equal_repr_do_not_come_twice() -> None:
    back, told = replaced({"a": {Same(): 1, Same(): 2}})
    assert back == {"a": {"same": 1}}
    assert "info['a'][same]" in told[0]


def test_a_name_of_the_info_itself_is_not_lost_to_a_key_of_that_repr() -> None:
    assert replaced({Same(): 1, "same": 2})[0] == {"same": 2}
    assert replaced({"\ud800": 1, "\\ud800": 2})[0] == {"\\ud800": 2}


def test_many_keys_that_cannot_be_sent_cost_no_more_each() -> None:
    start = time.process_time()
    assert len(replaced({(Number.ONE, frozenset([i])): i for i in range(20_000)})[0]) == 20_000
    assert time.process_time() - start < 20


def test_an_encoder_does_not_remember_warnings_without_end() -> None:
    told = replaced({i: object() for i in range(5_000)})[1]
    assert len(told) == 1024


KEYS: list[tuple[Any, str]] = [
    ("k" * 70_000, "'kkk"),
    (b"k" * 70_000, "b'kkk"),
    (1 << (8 * 70_000), "<an int of 560001 bits>"),
    (nested(30, lambda x: (x,), ()), "((((("),
    ((1, frozenset([2])), "(1, frozenset({2}))"),
    (("\ud800",), "('\\ud800',)"),
    (Unspeakable(), "<a Unspeakable whose repr raises RuntimeError>"),
]


@pytest.mark.parametrize(("key", "name"), KEYS, ids=range(len(KEYS)))
def test_a_key_over_a_limit_is_replaced_by_its_repr(key: Any, name: str) -> None:
    back, told = replaced({"a": {key: 1}})
    ((found, value),) = back["a"].items()
    assert value == 1 and found.startswith(name) and len(found) <= 1000
    assert told[0].startswith("info['a'][") and len(told[0]) < 500


def test_a_key_that_stands_deep_is_replaced_where_its_parts_would_be_too_deep() -> None:
    inner = {((1,),): True}
    fits = nested(21, lambda x: [x], {(1,): True})
    assert read({"a": fits}) == {"a": fits}
    back, _ = replaced({"a": nested(21, lambda x: [x], inner)})
    assert back == {"a": nested(21, lambda x: [x], {"((1,),)": True})}


VALUES: list[tuple[Any, str]] = [
    (1 << (8 * 70_000), "<an int of 560001 bits>"),
    ([0] * (2**20 + 1), "[0, 0, 0,"),
    (dict.fromkeys(range(2**20 + 1), 0), "{0: 0, 1: 0"),
    (Unspeakable(), "<a Unspeakable whose repr raises RuntimeError>"),
    (Unreadable(a=1), "Unreadable({})"),
    ({2}, "{2}"),
    (object, "<class 'object'>"),
]


@pytest.mark.parametrize(("value", "text"), VALUES, ids=range(len(VALUES)))
def test_a_value_over_a_limit_is_replaced_by_its_repr(value: Any, text: str) -> None:
    back, told = replaced({"a": value, "b": 1})
    assert back["a"].startswith(text) and len(back["a"]) <= 2**14 and back["b"] == 1
    assert told[0].startswith("info['a']: ")


def test_an_integer_as_long_as_the_limit_arrives() -> None:
    for number in (2 ** (8 * 65_536 - 1) - 1, -(2 ** (8 * 65_536 - 1))):
        assert read({"a": number}) == {"a": number}
        assert replaced({"a": number + (1 if number > 0 else -1)})[0]["a"].startswith("<an int")


def test_an_info_of_more_entries_than_the_limit_keeps_the_first(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(dynamic_limits, "MAX_PARTS", 3)
    back, told = replaced({i: i for i in range(5)})
    assert back == {0: 0, 1: 1, 2: 2} and "the rest was left out" in told[0]


def test_values_are_counted_over_the_whole_info(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dynamic_limits, "MAX_VALUES", 8)
    back, told = replaced({"a": [1, 2], "b": {(1, 2): 3}, "c": [4]})
    assert back == {"a": [1, 2], "b": {(1, 2): 3}, "c": "[4]"}
    assert "the limit of 8" in told[0] and told[0].startswith("info['c']")


def test_a_value_that_holds_itself_ends_where_it_does() -> None:
    loop: dict[str, Any] = {"x": 1}
    loop["loop"] = [loop]
    back, told = replaced({"a": loop})
    assert back["a"]["x"] == 1 and back["a"]["loop"][0] == "{'x': 1, 'loop': [...]}"
    assert "info['a']['loop'][0]: a map holds itself" in told[0]
    itself: dict[str, Any] = {"b": 2}
    itself["self"] = itself
    assert replaced(itself)[0]["b"] == 2


def test_a_tree_with_links_to_parents_costs_what_its_parts_cost() -> None:
    root: dict[str, Any] = {"name": "root"}
    root["children"] = [{"name": i, "parent": root} for i in range(200)]
    start = time.process_time()
    back, _ = replaced({"scene": root})
    assert time.process_time() - start < 10
    assert [child["name"] for child in back["scene"]["children"]] == list(range(200))
    assert all(len(child["parent"]) <= 2**14 for child in back["scene"]["children"])


def test_a_graph_of_objects_is_not_written_along_each_of_its_paths() -> None:
    cells: list[dict[str, Any]] = [{"name": i} for i in range(12)]
    for cell in cells:
        cell["next"] = [other for other in cells if other is not cell]
    start = time.process_time()
    back, _ = replaced({"cells": cells})
    assert time.process_time() - start < 30
    assert len(back["cells"]) == 12 and back["cells"][0]["name"] == 0


def test_parts_that_stand_in_ever_more_places_are_not_written_in_all() -> None:
    value: list[Any] = [1, 2]
    for _ in range(21):
        value = [value, value]
    start = time.process_time()
    back, told = replaced({"a": value, "b": [3]})
    assert time.process_time() - start < 30
    assert back["b"] == [3] and "very many places" in told[0]


def test_so_many_parts_are_written_again_as_the_contract_says() -> None:
    contract = (Path(__file__).parents[3] / "spec" / "CONTRACT.md").read_text("utf-8")
    rule = " ".join(contract.partition("- **D-8**")[2].partition("- **D-9**")[0].split())
    found = re.search(r"more than ([\d,]+) elements and entries would be written again", rule)
    assert found is not None
    most = int(found[1].replace(",", ""))
    row = [7] * 4096
    rows = [row] * (1 + most // len(row))
    assert read({"a": rows}) == {"a": rows}
    back, told = replaced({"a": [*rows, row], "b": [1]})
    assert back["a"][:-1] == rows and back["a"][-1].startswith("[7, 7, ") and back["b"] == [1]
    assert len(told) == 1 and told[0].startswith(f"info['a'][{len(rows)}]: ")


def test_a_list_that_stands_in_some_places_arrives_in_each() -> None:
    part = [1, {"a": 2}]
    assert read({"a": [part] * 100, "b": part}) == {"a": [part] * 100, "b": part}


def test_values_of_subclasses_arrive_as_what_they_hold() -> None:
    class Twisted(int):
        @property
        def real(self) -> int:
            raise RuntimeError("gotcha")

    class Bytes(bytes):
        pass

    info = {"a": Twisted(3), "b": Color.RED, "c": Number.ONE, Number.ONE: Bytes(b"x")}
    assert read(info) == {"a": 3, "b": "red", "c": 1, 1: b"x"}


EXACT: list[Any] = [
    [0] * (2**20 + 1),
    1 << (8 * 70_000),
    {NAN: 1, float("nan"): 2},
    {"k" * 70_000: 1},
    {Same(): 1},
    "\ud800",
    {"\ud800": 1},
    nested(30, lambda x: [x], 1),
    Unspeakable(),
]


@pytest.mark.parametrize("value", EXACT, ids=range(len(EXACT)))
def test_what_is_asked_for_by_itself_is_refused_with_its_path(value: Any) -> None:
    with pytest.raises(InvalidValueError) as caught:
        DynamicEncoder(NATIVE, exact=True).value([value], value_pb2.DynamicValue(), "result")
    assert caught.value.path.startswith("result[0]") and len(str(caught.value)) < 1000


def test_a_huge_key_in_a_refusal_is_told_by_its_size() -> None:
    message = value_pb2.DynamicValue()
    entry = message.map_value.entries.add()
    entry.other.big_int_value = b"\1" * 60_000
    with pytest.raises(CodecError) as caught:
        dynamic_from_wire(message, NATIVE, "info")
    assert "an int of 479993 bits" in caught.value.path


def test_reports_of_values_are_added_to_those_of_an_inner_end() -> None:
    from rlmesh._codec.validate import VALIDATION_KEY, with_reports

    inner = {"x": 1, VALIDATION_KEY: {"observation['a']": "nan"}}
    assert with_reports(inner, {}) is inner
    both = {"observation['a']": "nan", "observation['b']": "9"}
    assert with_reports(inner, {"observation['b']": "9"}) == {"x": 1, VALIDATION_KEY: both}
    assert with_reports({VALIDATION_KEY: 3}, {"b": "9"}) == {VALIDATION_KEY: {"b": "9"}}
