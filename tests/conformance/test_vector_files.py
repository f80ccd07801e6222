"""The golden vectors are what the tool declares, and hold together by themselves."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Protocol

import pytest
from rlmesh_proto.session.v1 import error_pb2
from rlmesh_proto.spaces.v1 import space_pb2

from tests.cases import for_each
from tests.conformance import vectors
from tests.conformance.contract import rule_table
from tools.vectors.check import check
from tools.vectors.decode import decode
from tools.vectors.dynamic import message, parse
from tools.vectors.encode import encode

ROOT = Path(__file__).resolve().parents[2]
SPACES = vectors.space_cases()
VALUES = vectors.value_cases()
DYNAMICS = vectors.dynamic_cases()
INVALID_SPACES = vectors.invalid_space_cases()
INVALID_VALUES = vectors.invalid_value_cases()
INVALID_DYNAMICS = vectors.invalid_dynamic_cases()
BROKEN = [
    *(case.broken for case in INVALID_SPACES),
    *(case.broken for case in INVALID_VALUES),
    *(case.broken for case in INVALID_DYNAMICS),
]
FAMILIES = {field.name for field in space_pb2.Space.DESCRIPTOR.fields}


class Named(Protocol):
    """Any case."""

    @property
    def name(self) -> str: ...


def test_there_are_enough_cases() -> None:
    assert len(SPACES) + len(VALUES) + len(DYNAMICS) >= 150
    assert len(BROKEN) >= 60


@pytest.mark.parametrize(
    "cases",
    [SPACES, VALUES, DYNAMICS, INVALID_SPACES, INVALID_VALUES, INVALID_DYNAMICS],
    ids=["spaces", "values", "dynamic", "bad-spaces", "bad-values", "bad-dynamic"],
)
def test_names_are_unique(cases: Sequence[Named]) -> None:
    names = [case.name for case in cases]
    assert sorted(set(names)) == sorted(names)


def test_every_space_parses() -> None:
    spaces = [case.space_proto for case in SPACES] + [case.space_proto for case in VALUES]
    spaces += [case.canonical_proto for case in SPACES]
    spaces += [case.space_proto for case in INVALID_SPACES]
    spaces += [case.space_proto for case in INVALID_VALUES]
    for space in spaces:
        space_pb2.Space.FromString(space)


def test_every_family_is_in_all_four_folders() -> None:
    for cases in (SPACES, INVALID_SPACES, VALUES, INVALID_VALUES):
        found = {space_pb2.Space.FromString(case.space_proto).WhichOneof("kind") for case in cases}
        assert found - {None} == FAMILIES


def test_every_family_is_in_the_walk_of_the_contract() -> None:
    rows = rule_table("V-2")
    named = [name for row in rows for name in row[0].split(", ")]
    messages = [field.message_type.name for field in space_pb2.Space.DESCRIPTOR.fields]
    assert sorted(named) == sorted(messages)


def test_every_family_has_values_single_and_in_batches_of_0_1_and_more() -> None:
    found: dict[str, set[int | None]] = {family: set() for family in FAMILIES}
    for case in VALUES:
        family = space_pb2.Space.FromString(case.space_proto).WhichOneof("kind")
        assert family is not None
        size = case.batch_size
        found[family].add(size if size is None else min(size, 2))
    assert found == {family: {None, 0, 1, 2} for family in FAMILIES}


def _run_tool(*arguments: str) -> subprocess.CompletedProcess[str]:
    for library in ("PIL", "cv2"):
        pytest.importorskip(library, reason="the images of adapters are made by it")
    # The pure-Python protobuf runtime reads every NaN as one NaN, so it cannot check payloads.
    environment = {**os.environ, "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "upb"}
    command = [sys.executable, "-m", "tools.vectors", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )


def test_the_files_are_those_of_the_declared_cases() -> None:
    done = _run_tool("--check")
    assert (done.returncode, done.stderr) == (0, "")


def test_the_check_finds_each_kind_of_fault(tmp_path: Path) -> None:
    assert _run_tool("--out", str(tmp_path)).returncode == 0
    box, text, old = (tmp_path / f"valid/spaces/{name}.json" for name in ("box", "text", "old"))
    box.write_text(box.read_text().replace('"format": 1', '"format": 2'))
    text.unlink()
    old.write_text("{}")
    done = _run_tool("--check", "--out", str(tmp_path))
    assert done.returncode == 1
    found = done.stderr.splitlines()[:-1]  # The last line names the command that writes the files.
    assert sorted(found) == [f"differs: {box}", f"missing: {text}", f"stale: {old}"]


@for_each("case", VALUES, ids=attrgetter("name"))
def test_the_declared_value_encodes_to_the_slabs(case: vectors.ValueCase) -> None:
    space = space_pb2.Space.FromString(case.space_proto)
    assert tuple(encode(space, case.values)) == case.slabs
    assert case.batch_size in (None, len(case.values))


@for_each("case", DYNAMICS, ids=attrgetter("name"))
def test_the_declared_dynamic_value_encodes_to_the_bytes(case: vectors.DynamicCase) -> None:
    assert message(case.value).SerializeToString(deterministic=True) == case.canonical_proto


def test_a_broken_rule_is_one_of_the_contract() -> None:
    text = (ROOT / "spec" / "CONTRACT.md").read_text(encoding="utf-8")
    rules = set(re.findall(r"^- \*\*([A-Z]-\d+)\*\*", text, flags=re.MULTILINE))
    assert {broken.contract for broken in BROKEN} <= rules


def _examples() -> list[tuple[str, str, list[bytes]]]:
    """The worked examples of CONTRACT.md before its frames: kind, description, byte strings."""
    text = (ROOT / "spec" / "CONTRACT.md").read_text(encoding="utf-8")
    text = text[text.index("## 19. ") : text.index("**Frames**")]
    text = re.sub(r"\n        (?=[0-9a-f]{2}( |$)|[|∅] )", " ", text)
    found: list[tuple[str, str, list[bytes]]] = []
    for kind, what, shown in re.findall(r"^    (space|value) (.*) : (.*)$", text, re.MULTILINE):
        parts: list[str] = [] if shown == "(no slabs)" else shown.replace("∅", "").split("|")
        found.append((kind, what, [bytes.fromhex(part) for part in parts]))
    for what, shown in re.findall(r"^    (?!space|value)(.{23}) ([0-9a-f ]+)$", text, re.MULTILINE):
        found.append(("dynamic", what, [bytes.fromhex(shown)]))
    return found


def test_the_reference_codec_agrees_with_the_worked_examples() -> None:
    space = space_pb2.Space()
    examples = _examples()
    for kind, what, data in examples:
        if kind == "space":
            space = space_pb2.Space.FromString(data[0])
            check(space)
        elif kind == "value":
            size = re.match(r"batch of (\d+)", what)
            values = decode(space, data, int(size[1]) if size else 1)
            assert encode(space, values) == data, what
        else:
            shown = data[0]
            if what.startswith("Map"):
                shown = b"\x6a" + bytes([len(shown)]) + shown
            assert message(parse(shown)).SerializeToString() == shown, what
    assert len(examples) >= 50


def test_an_error_code_is_one_of_the_schema() -> None:
    assert {broken.code for broken in BROKEN} <= set(error_pb2.ErrorCode.keys())
