"""Where the log goes, and in which form."""

from __future__ import annotations

import json
import logging
import os
import re
import subprocess
import sys
import threading
from collections.abc import Generator

import pytest

from rlmesh._log_output import log_by_variables, log_to_stderr
from rlmesh._logs import FLOOD_EVENTS, MAX_TEXT, Lines, facts, logger

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z"
HOSTILE = "x\x1b[2J\n2026-01-01T00:00:00.000Z INFO forged \x9b"

log = logger("rlmesh.test")


@pytest.fixture(autouse=True)
def restored() -> Generator[None, None, None]:
    """The logger of RLMesh as it was, after the test."""
    root = logging.getLogger("rlmesh")
    before = root.level, root.propagate, list(root.handlers)
    yield
    root.level, root.propagate, root.handlers[:] = before
    root.setLevel(before[0])


def test_text_is_a_line_for_each_record(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info", "text")
    log.info("session %s opened by %s", 7, HOSTILE)
    log.debug("hidden")
    log.error("it failed\n%s", Lines("Traceback\n  line"))
    first, *rest = capsys.readouterr().err.splitlines()
    assert re.fullmatch(rf"{TIME} INFO    session 7 opened by x\\x1b.*forged \\x9b", first)
    assert re.fullmatch(rf"{TIME} ERROR   it failed", rest[0]) and rest[1:] == [
        "Traceback",
        "      line",
    ]


def test_json_is_an_object_for_each_record(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("debug", "json")
    log.info("opened by %s", HOSTILE, extra=facts("opened", client=HOSTILE, peer="", seconds=1.5))
    try:
        raise LookupError(HOSTILE)
    except LookupError:
        log.exception("it failed")
    log.debug("plain")
    text = capsys.readouterr().err
    assert text.isascii() and not re.search(r"[\x00-\x09\x0b-\x1f\x7f]", text)
    opened, failed, plain = map(json.loads, text.splitlines())
    assert re.fullmatch(TIME, opened.pop("time"))
    assert opened.pop("message").startswith("opened by x")
    assert opened == {
        "level": "info",
        "logger": "rlmesh.test",
        "event": "opened",
        "client": HOSTILE,
        "seconds": 1.5,
    }
    assert failed["level"] == "error" and "LookupError" in failed["traceback"]
    assert plain["message"] == "plain" and "event" not in plain


@pytest.mark.parametrize("form", ["text", "json"])
def test_a_long_text_is_cut(form: str, capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info", form)
    name = "\x1b" * 60_000
    log.info("opened by %s", name, extra=facts("opened", client=name))
    log.error("it failed\n%s", Lines("x" * 9_000))
    opened, *failed = capsys.readouterr().err.splitlines()
    assert len(opened) < 2 * 6 * MAX_TEXT and "..." in opened
    assert "x" * 9_000 in "".join(failed), "a traceback is whole"


def test_a_later_call_replaces_an_earlier_one(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("debug", "json")
    log_to_stderr("warning", "text")
    log.info("hidden")
    log.warning("once")
    assert capsys.readouterr().err.count("once") == 1


def test_events_are_limited_too(capsys: pytest.CaptureFixture[str]) -> None:
    log_to_stderr("info", "text")
    for i in range(2 * FLOOD_EVENTS):
        log.info("opened and closed %d", i)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == FLOOD_EVENTS + 1 and "more of this kind" in lines[-1]


def test_variables_choose_level_and_form(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(logging.root, "handlers", [])
    monkeypatch.setenv("RLMESH_LOG", "INFO")
    monkeypatch.setenv("RLMESH_LOG_FORMAT", "json")
    assert log_by_variables() == ""
    log.info("a")
    assert json.loads(capsys.readouterr().err)["message"] == "a"
    monkeypatch.setenv("RLMESH_LOG", "loud")
    assert log_by_variables() == (
        "RLMESH_LOG: expected debug or info or warning or error, got 'loud'"
    )


class Interrupting(str):
    """A message that is logged at the moment at which garbage of a client may be collected."""

    inner = False

    def __hash__(self) -> int:
        if not self.inner:
            self.inner = True
            log.warning("from a finalizer")
        return super().__hash__()


def test_a_finalizer_that_logs_during_a_record_does_not_hang() -> None:
    """A client that is dropped without close() warns, and warnings may be logged."""
    done = threading.Thread(target=lambda: log.warning(Interrupting("record")), daemon=True)
    done.start()
    done.join(20)
    assert not done.is_alive()


FORKED = """
import os, signal, threading
from rlmesh import _logs
held, go = threading.Event(), threading.Event()
def hold():
    with _logs._PRINTABLE._lock:
        held.set()
        go.wait()
threading.Thread(target=hold).start()
held.wait()
child = os.fork()
if not child:
    signal.alarm(20)
    _logs.logger("rlmesh.test").warning("from the child")
    os._exit(7)
go.set()
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"""


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_that_is_forked_during_a_record_does_not_hang() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", FORKED], capture_output=True, text=True, timeout=60
    )
    assert done.stdout == "7\n", done.stderr


PROGRAM = """
import logging, sys
if sys.argv[1] == "own":
    logging.basicConfig(level=logging.INFO, format="own %(message)s")
import rlmesh
from rlmesh._logs import logger
logger("rlmesh.server").info("opened")
"""


@pytest.mark.parametrize(
    ("own", "variables", "pattern"),
    [
        ("none", {}, ""),
        ("none", {"RLMESH_LOG": "info"}, rf"{TIME} INFO    opened\n"),
        ("none", {"RLMESH_LOG": "warning"}, ""),
        ("own", {"RLMESH_LOG": "info"}, r"own opened\n"),
        ("own", {}, r"own opened\n"),
        ("none", {"RLMESH_LOG": "loud"}, r"(?s).*RuntimeWarning: RLMESH_LOG: expected debug.*"),
    ],
)
def test_a_program_gets_the_log_by_a_variable(
    own: str, variables: dict[str, str], pattern: str
) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, own],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={**os.environ, **variables},
    )
    assert re.fullmatch(pattern, done.stderr), done.stderr
