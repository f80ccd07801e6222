"""What a message takes as objects: at most 8 times its size, and 16 MiB besides (M-9)."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Generator
from typing import Any

import pytest
from google.protobuf.message import DecodeError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from rlmesh_proto.env.v1 import contract_pb2, env_pb2
from rlmesh_proto.spaces.v1 import space_pb2, value_pb2

from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.parts import MULTIPLE, SPARE_BYTES, too_many_parts
from rlmesh.backends import NATIVE
from rlmesh.errors import LimitError
from tests.processes import ROOT
from tests.size import LONG

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory as Linux tells it")

Measure = Callable[[str, bytes], int]


@pytest.fixture(scope="module")
def measure() -> Generator[Measure, None, None]:
    """Returns the memory in bytes that reading a message takes."""
    command = [sys.executable, "-m", "tests.property.amplified"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, cwd=ROOT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        given, told = process.stdin, process.stdout

        def ask(kind: str, data: bytes) -> int:
            given.write(f"{kind} {data.hex()}\n")
            given.flush()
            return int(told.readline())

        try:
            yield ask
        finally:
            given.close()
            process.wait(30)


def size(data: bytes) -> bytes:
    """A varint."""
    count, out = len(data), bytearray()
    while count > 127:
        out.append(count & 127 | 128)
        count >>= 7
    return bytes([*out, count])


def field(number: int, data: bytes) -> bytes:
    return bytes([number << 3 | 2]) + size(data) + data


LEAVES = [
    b"",  # No kind.
    b"\x0a\x00",  # null
    b"\x10\x01",  # true
    b"\x18\x02",
    b"\x18\xfe\xff\xff\xff\xff\x01",
    b"\x22\x01\x05",  # a big integer
    b"\x29" + bytes(8),
    b"\x32\x00",
    b"\x32\x02\xc3\xa9",
    b"\x3a\x00",
    b"\x42\x05\x08\x01\x12\x01\x01",  # a scalar
    b"\x4a\x05\x08\x0c\x12\x01\x00",  # a tensor without elements
    b"\x4a\x03\x12\x01\x00",
    b"\x52\x03\x0a\x01\x00",  # an array of objects, without any
    b"\x5a\x00",
    b"\x62\x00",
    b"\x6a\x00",
]
KEYS = [b"", b"\x0a\x00", b"\x0a\x01a", b"\x12\x00", b"\x12\x02\x18\x06"]


def nested(inner: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    lists = st.lists(inner, max_size=3).map(lambda parts: b"".join(field(1, x) for x in parts))
    entries = st.tuples(st.sampled_from(KEYS), inner).map(
        lambda pair: field(1, pair[0] + field(3, pair[1]))
    )
    return st.one_of(
        lists.map(lambda data: field(11, data)),
        lists.map(lambda data: field(12, data)),
        st.lists(entries, max_size=2).map(lambda parts: field(13, b"".join(parts))),
    )


VALUES = st.recursive(st.sampled_from(LEAVES), nested, max_leaves=6)
SPACES = st.sampled_from(
    [
        b"",
        b"\x12\x04\x08\x05\x10\x02",  # Discrete(2)
        b"\x1a\x02\x0a\x00",  # MultiBinary(())
        b"\x2a\x03\x10\x08\x1a",  # a text that is cut off
        b"\x2a\x05\x10\x08\x1a\x01\x61",  # a text
        b"\x32\x00",
        b"\x3a\x00",
        b"\x42\x04\x0a\x02\x3a\x00",  # a sequence of empty tuples
        b"\x0a\x10\x08\x0c\x12\x00\x1a\x06\x0a\x04\x00\x00\x80\xbf\x22\x02\x0a\x00",
    ]
)
COUNTS = st.sampled_from([1, 300, 3_000, 30_000, 300_000])


def request(values: bytes) -> bytes:
    """The frame of a reset, with a list in its options."""
    entry = field(1, b"\x0a\x01k" + field(3, field(11, values)))
    return b"\x08\x01" + field(4, field(3, entry))


def reply(values: bytes) -> bytes:
    """The frame of a step's answer, with the entries of an info."""
    return b"\x08\x01" + field(6, field(1, b"") + field(6, values))


def described(space: bytes, other: bytes = b"\x12\x04\x08\x05\x10\x02") -> bytes:
    """The answer to Describe, with one space of those bytes."""
    message = env_pb2.DescribeResponse()
    message.server.SetInParent()
    message.terms.SetInParent()
    message.contract.id = "x"
    message.contract.num_envs = 1
    message.contract.observation_space.ParseFromString(space)
    message.contract.action_space.ParseFromString(other)
    return message.SerializeToString()


def check(measure: Measure, kind: str, data: bytes, spaces: int = 0) -> None:
    taken = measure(kind, data)
    allowed = MULTIPLE * len(data) + SPARE_BYTES + 4096 * spaces
    assert taken <= allowed, (kind, len(data), taken / len(data))


HEAVY = settings(
    deadline=None,
    max_examples=40 if LONG else 10,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@HEAVY
@given(value=VALUES, count=COUNTS)
def test_values(measure: Measure, value: bytes, count: int) -> None:
    data = field(1, value) * min(count, 3_000_000 // (len(value) + 2))
    check(measure, "request", request(data))


@pytest.mark.parametrize("value", LEAVES, ids=lambda value: value.hex() or "empty")
@pytest.mark.parametrize("kind", ["request", "reply"])
@pytest.mark.parametrize("count", [20_000, 400_000] if LONG else [60_000])
def test_each_leaf(measure: Measure, kind: str, value: bytes, count: int) -> None:
    count = min(count, 3_000_000 // (len(value) + 2))
    if kind == "request":
        check(measure, kind, request(field(1, value) * count))
        return
    for at in (4_000, count):
        entries = b"".join(
            field(1, field(1, f"{i:x}".encode()) + field(3, value)) for i in range(at)
        )
        check(measure, kind, reply(entries))


@HEAVY
@given(space=SPACES, count=st.sampled_from([1, 4_000, 16_000, 400_000] if LONG else [1, 4_000]))
def test_spaces(measure: Measure, space: bytes, count: int) -> None:
    data = field(7, field(1, space) * count)  # A tuple.
    for kind in ("contract", "gymnasium"):
        try:
            message = described(data)
        except Exception:  # The space is cut off.
            return
        check(measure, kind, message, min(count, 16_384))


def large_boxes(leaves: int, extent: int) -> bytes:
    space = space_pb2.Space()
    for _ in range(leaves):
        box = space.tuple.spaces.add().box
        box.dtype = 12
        box.shape.append(extent)
        box.low.uniform, box.high.uniform = bytes(4), b"\0\0\x80\x3f"
    return space.SerializeToString()


def long_keys(levels: int, leaves: int) -> bytes:
    space = space_pb2.Space()
    inner = space
    for _ in range(levels):
        entry = inner.dict.entries.add(name="k" * 65_536)
        inner = entry.space
    for _ in range(leaves):
        discrete = inner.tuple.spaces.add().discrete
        discrete.dtype, discrete.n = 5, 2
    return space.SerializeToString()


@pytest.mark.parametrize("kind", ["contract", "gymnasium"])
@pytest.mark.parametrize(
    ("space", "spaces"),
    [
        (large_boxes(1, 2**26), 1),
        (large_boxes(24, 2**26), 24),
        (large_boxes(4_000, 2**26), 4_000),
        (long_keys(3, 4_000), 4_000),
        (long_keys(20, 4_000), 4_000),
    ],
    ids=["a large box", "24 large boxes", "4,000 large boxes", "long keys", "many long keys"],
)
def test_contracts(measure: Measure, kind: str, space: bytes, spaces: int) -> None:
    check(measure, kind, described(space), spaces)


def test_as_many_spaces_as_the_limits_allow_are_taken() -> None:
    space = field(7, field(1, b"\x3a\x00") * 16_383)
    for kind in (space, long_keys(1, 4_096)):
        assert EnvWireCodec(NATIVE).read_description(described(kind, space))


@pytest.mark.parametrize("dtype", [1, 2, 5, 6])
def test_a_large_multi_discrete(measure: Measure, dtype: int) -> None:
    count, itemsize = 1_000_000, {1: 1, 2: 1, 5: 8, 6: 1}[dtype]
    space = space_pb2.Space()
    space.multi_discrete.dtype = dtype
    space.multi_discrete.shape.append(count)
    space.multi_discrete.nvec = (b"\x02" + bytes(itemsize - 1)) * count
    for kind in ("contract", "gymnasium"):
        check(measure, kind, described(space.SerializeToString()))


@pytest.mark.parametrize("number", [2, 3, 4])
def test_packed_numbers(measure: Measure, number: int) -> None:
    for count in (100_000, 4_000_000):
        numbers = field(1, b"\x01" * count)
        frames = {
            2: b"\x08\x01" + field(4, field(2, numbers)),  # Seeds of lanes.
            3: field(3, field(1, field(4, b"\x01" * count))),  # Capabilities of a client.
            4: b"\x08\x01" + field(7, numbers),  # Lanes that are rendered.
        }
        check(measure, "request", frames[number])


def test_slabs(measure: Measure) -> None:
    for count in (10_000, 2_000_000):
        slabs = b"\x0a\x00" * count
        check(measure, "request", b"\x08\x01" + field(5, field(1, slabs)))
        check(measure, "reply", b"\x08\x01" + field(6, field(1, slabs)))


# What is counted.


def test_the_number_of_a_request_that_is_refused_is_known() -> None:
    frames = EnvWireCodec(NATIVE)
    told = frames.read_request(request(field(1, b"\x5a\x00") * 1_000_000))
    assert told.sequence == 1
    assert "limit" in told.body.reason  # type: ignore[union-attr]


def test_an_info_of_too_many_parts_arrives_without_them() -> None:
    frames = EnvWireCodec(NATIVE)
    info = {"a": 1, "lists": [[] for _ in range(200_000)], "b": [2]}
    with pytest.warns(RuntimeWarning, match="lists"):
        told = frames._read_info(frames.write_info(info))
    assert told["a"] == 1 and told["b"] == [2] and "limit" in told["lists"]


def test_an_answer_or_options_of_too_many_parts_are_a_limit_error() -> None:
    frames = EnvWireCodec(NATIVE)
    many: list[object] = [[] for _ in range(200_000)]
    with pytest.raises(LimitError):
        frames.write_reply(1, m.Called(many))
    with pytest.raises(LimitError):
        frames.write_request(m.Request(1, m.Reset(options={"many": many})))


def test_a_million_floats_are_no_danger() -> None:
    numbers = [i / 7 for i in range(1_000_000 if LONG else 200_000)]
    frames = EnvWireCodec(NATIVE)
    info = frames.write_info({"numbers": numbers})
    assert frames._read_info(info) == {"numbers": numbers}


@given(data=st.binary(max_size=300), fill=st.integers(0, 1))
def test_any_bytes_are_counted_without_harm(data: bytes, fill: int) -> None:
    for message in (env_pb2.SessionRequest, value_pb2.DynamicMap, contract_pb2.EnvContract):
        too_many_parts(data + bytes([fill]) * 30_000, message.DESCRIPTOR)
        too_many_parts(data * 100, message.DESCRIPTOR)


def test_groups_and_numbers_in_any_form_are_counted() -> None:
    group = b"\xfb\x07" + b"\x08\x01\x11" + bytes(8) + b"\x1a\x01x\x25" + bytes(4) + b"\xfc\x07"
    data = request(field(1, b"\x10\x01") * 9_000)
    assert too_many_parts(group + request(field(1, b"\x5a\x00") * 1_000_000), _REQUEST)
    assert not too_many_parts(group + data, _REQUEST)
    env_pb2.SessionRequest.FromString(group + data)


_REQUEST = env_pb2.SessionRequest.DESCRIPTOR


class Watched(bytes):
    """A message that counts how many of its bytes are looked at."""

    looked_at = 0

    def __getitem__(self, at: Any) -> Any:
        self.looked_at += 1
        return super().__getitem__(at)


@pytest.mark.parametrize(
    "damage",
    [b"\0", b"\x08" + b"\x80" * 12, b"\x80" * 12, b"\x06", b"\x0c", b"\xfb\x01" * 120],
    ids=["no field", "a long number", "a long tag", "no wire type", "no group", "groups"],
)
def test_what_no_parser_reads_is_not_counted_to_its_end(damage: bytes) -> None:
    """Counting takes minutes for the largest messages, and a parser refuses them at once."""
    message = Watched(damage + b"\x08\x01" * 50_000)
    with pytest.raises(DecodeError):
        env_pb2.SessionResponse.FromString(bytes(message))
    assert not too_many_parts(message, env_pb2.SessionResponse.DESCRIPTOR)
    assert message.looked_at < 1_000
