"""The C++ headers against the golden vectors and the transcripts of sessions."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.conformance import vectors
from tests.conformance.transcripts import MESSAGES, Transcript, plain, transcripts
from tests.cpp.programs import FLAGS, Executor, compiled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600), pytest.mark.xdist_group("cpp")]

CODES = {
    "ERROR_CODE_MALFORMED": "2",
    "ERROR_CODE_INVALID_VALUE": "3",
    "ERROR_CODE_UNSUPPORTED": "8",
    "ERROR_CODE_LIMIT_EXCEEDED": "13",
}
DEPTH = ("S-2", "D-7")
LISTED = {1, 2, 5}
"""Capabilities of the headers: RESUME, STEP_MANY and RENDER."""


@pytest.fixture(scope="module")
def executor() -> Iterator[Executor]:
    found = Executor(compiled("tests/executor.cpp", *FLAGS))
    yield found
    found.close()


def written(data: bytes) -> str:
    return data.hex() or "."


def test_spaces_are_read_and_written(executor: Executor) -> None:
    for case in vectors.space_cases():
        answer = executor.ask("space", written(case.space_proto))
        assert answer == ["ok", written(case.canonical_proto)], case.name


def of_value(case: Any) -> tuple[str, ...]:
    batch = "-" if case.batch_size is None else str(case.batch_size)
    return ("value", written(case.space_proto), batch, *map(written, case.slabs))


def test_values_are_read_and_written(executor: Executor) -> None:
    for case in vectors.value_cases():
        state, conforms, text, *slabs = executor.ask(*of_value(case))
        assert state == "ok", case.name
        assert json.loads(base64.b64decode(json.loads(text))) == case.value, case.name
        assert conforms == str(int(case.conforms)), case.name
        assert slabs == list(map(written, case.slabs)), case.name


def test_self_describing_values_are_read_and_written(executor: Executor) -> None:
    for case in vectors.dynamic_cases():
        state, proto, *text = executor.ask("dynamic", written(case.proto))
        assert (state, proto) == ("ok", written(case.canonical_proto)), case.name
        assert with_integers(json.loads(" ".join(text))) == case.value, case.name


def with_integers(value: Any) -> Any:
    """Write integers beyond 64 bits, which the program prints as bytes, as decimals."""
    if isinstance(value, dict):
        if str(value.get("int", "")).startswith("0x"):
            data = bytes.fromhex(value["int"][2:])
            return {"int": str(int.from_bytes(data, "little", signed=True))}
        return {key: with_integers(part) for key, part in value.items()}
    return [with_integers(part) for part in value] if isinstance(value, list) else value


INVALID: dict[str, tuple[Callable[[], Any], Callable[[Any], tuple[str, ...]]]] = {
    "spaces": (vectors.invalid_space_cases, lambda case: ("space", written(case.space_proto))),
    "values": (vectors.invalid_value_cases, of_value),
    "dynamic": (vectors.invalid_dynamic_cases, lambda case: ("dynamic", written(case.proto))),
}


@pytest.mark.parametrize("folder", INVALID)
def test_what_is_invalid_is_refused(executor: Executor, folder: str) -> None:
    cases, command = INVALID[folder]
    for case in cases():
        state, code, path, *_ = executor.ask(*command(case))
        assert (state, code) == ("error", CODES[case.broken.code]), case.name
        found = "" if path == "." else path
        assert found.startswith(case.broken.error_path) or case.broken.contract in DEPTH, case.name


PLAYED = [
    transcript
    for transcript in transcripts("env")
    if transcript.served in ("count", "drawn")
    and not any(
        word in json.dumps(transcript.steps)
        for word in ("get_attribute", "set_attribute", '"call"', "PROGRESS", '"view"')
    )
]


@pytest.mark.parametrize("transcript", PLAYED, ids=lambda t: f"{t.served}: {t.name}")
def test_a_server_answers_as_the_transcript_does(
    executor: Executor, transcript: Transcript
) -> None:
    executor.ask("sessions", transcript.served)
    sent: dict[int, list[bytes]] = {}
    ended: set[str] = set()
    opened: Any = None
    for step in transcript.steps:
        number = step["connection"]
        if step.get("event") == "stopped":
            sent[1] = [bytes.fromhex(executor.ask("stop")[1])]
            ended.add("1")
        elif step.get("event") == "lost":
            sent[number] = []
            executor.ask("lost", str(number))
        elif step.get("event") == "ended":
            assert str(number) in ended and not sent.get(number)
        elif step["sender"] == "client":
            frame = as_client(step, opened)
            _, answer, *over = executor.ask("receive", str(number), frame.hex())
            sent.setdefault(number, []).extend([bytes.fromhex(answer)] if answer != "." else [])
            ended = ended | set(over)
        else:
            declared = MESSAGES[step["type"]].FromString(bytes.fromhex(step["hex"]))
            found = type(declared).FromString(sent[number].pop(0))
            if found.HasField("open") and found.open.header.resume_key:
                opened = found.open.header
            assert comparable(found) == comparable(declared)


def as_client(step: Any, opened: Any) -> bytes:
    """Return a request, resuming with the id and key that this server has given."""
    request = MESSAGES[step["type"]].FromString(bytes.fromhex(step["hex"]))
    if request.HasField("open") and request.open.HasField("resume") and opened is not None:
        wrong = request.open.resume.resume_key == bytes(16)
        request.open.resume.session_id = opened.session_id
        request.open.resume.resume_key = bytes(16) if wrong else opened.resume_key
    data: bytes = request.SerializeToString()
    return data


def comparable(message: Any) -> Any:
    """Return an answer without the server's own id, key, name and capabilities."""
    found = plain(message)
    if found.HasField("open"):
        header = found.open.header
        listed = set(header.server.capabilities) & LISTED
        header.server.ClearField("implementation")
        header.server.capabilities[:] = sorted(listed)
        header.session_id, header.resume_key = "s1", bytes(16)
        if found.open.HasField("contract"):
            found.open.contract.ClearField("render")
            found.open.contract.ClearField("exposed")
            found.open.contract.ClearField("id")
    return found
