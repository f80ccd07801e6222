"""The end of a command: its status, its document, and its messages."""

from __future__ import annotations

import inspect
import io
import json
import signal
import sys
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("rich")
pytest.importorskip("typer")

import typer
from rich.emoji import Emoji

import rlmesh
from rlmesh._cli.app import app
from rlmesh._cli.console import Reporter, reporting
from rlmesh._cli.evaluate_options import ARGUMENTS
from rlmesh._cli.logs import begin_log
from rlmesh._cli.main import main
from rlmesh._cli.parameters import tls_of
from rlmesh._cli.sources import UsageProblem, load
from tests.certificates import new_authority


@pytest.fixture(autouse=True)
def process(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a command sets for its whole process."""
    monkeypatch.setattr(warnings, "formatwarning", warnings.formatwarning)


def ended(action: Callable[[Reporter], Any]) -> int:
    """The status of a command that does that."""
    with (
        warnings.catch_warnings(),
        pytest.raises(typer.Exit) as caught,
        reporting("test", json=True, debug=False) as reporter,
    ):
        reporter.unfinished = lambda: {"steps": 3}
        action(reporter)
    return caught.value.exit_code


def fails(error: BaseException) -> Callable[[Reporter], Any]:
    def action(_: Reporter) -> None:
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "status", "told"),
    [
        (UsageProblem("--x: no"), 2, "--x: no"),
        (LookupError("no"), 1, "LookupError: no"),
        (SystemExit(0), 1, "SystemExit: 0"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_command_that_fails_has_a_document(
    error: BaseException, status: int, told: str, capfd: pytest.CaptureFixture[str]
) -> None:
    assert ended(fails(error)) == status
    out, err = capfd.readouterr()
    problem = {"type": type(error).__name__, "message": told}
    assert json.loads(out) == {"error": problem, "steps": 3}
    assert err == f"rlmesh test: {told}\n"


def test_an_argument_of_python_is_named_by_its_option(capfd: pytest.CaptureFixture[str]) -> None:
    words = "expected execution_horizon=1, got my_execution_horizon"
    with (
        pytest.raises(typer.Exit),
        reporting("eval", json=True, debug=False, options=ARGUMENTS),
    ):
        raise ValueError(words)
    output = capfd.readouterr()
    named = "ValueError: expected --horizon=1, got my_execution_horizon"
    assert json.loads(output.out)["error"]["message"] == named
    assert output.err.endswith(f"rlmesh eval: {named}\n")
    taken = inspect.signature(rlmesh.evaluate).parameters
    command: Any = typer.main.get_command(app)
    options = {option for one in command.commands["eval"].params for option in one.opts}
    assert taken.keys() >= ARGUMENTS.keys() and options >= set(ARGUMENTS.values())


@pytest.mark.parametrize("name", ["SIGTERM", "SIGHUP"])
def test_a_signal_is_an_interrupt_with_a_status_of_its_own(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    number = getattr(signal, name)
    before = signal.signal(number, signal.SIG_DFL)
    try:
        status = ended(lambda _: signal.raise_signal(number))
        assert signal.getsignal(number) is signal.SIG_DFL
        signal.signal(number, signal.SIG_IGN)  # As nohup does.
        assert ended(lambda _: (signal.raise_signal(number), fails(KeyError())(_))) == 1
    finally:
        signal.signal(number, before)
    assert status == 128 + number
    assert f"rlmesh test: ended by {name}\n" in capfd.readouterr().err


def test_the_echo_of_a_signal_does_not_end_the_ending(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._cli.signals.ECHO_SECONDS", 60.0)

    def action(_: Reporter) -> None:
        try:
            signal.raise_signal(signal.SIGTERM)
        finally:
            signal.raise_signal(signal.SIGTERM)  # Soon: it would end the process else.

    before = signal.signal(signal.SIGTERM, signal.SIG_DFL)
    try:
        assert ended(action) == 128 + signal.SIGTERM
    finally:
        signal.signal(signal.SIGTERM, before)


def test_a_document_that_cannot_be_written_is_one_error() -> None:
    class Full(io.RawIOBase):
        def write(self, data: Any) -> int:
            raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        Reporter(True, Full()).document({})
    Reporter(True, Full()).failed(KeyError())


def test_a_document_is_whole_where_a_pipe_takes_it_in_parts() -> None:
    class Narrow(io.BytesIO):
        def write(self, data: Any) -> int:
            return super().write(data[:7])

    stream = Narrow()
    Reporter(True, stream).document({"text": "x" * 50})
    assert json.loads(stream.getvalue()) == {"text": "x" * 50}


def test_what_a_users_module_raises_is_told_from_where_it_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "lacks_a_weight.py").write_text("def read():\n    return {}['w']\n\nread()\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    assert ended(lambda _: load("lacks_a_weight:model")) == 2
    lines = capfd.readouterr().err.splitlines()
    assert lines[0] == "Traceback (most recent call last):"
    assert "lacks_a_weight.py" in lines[1] and "line 4" in lines[1]
    assert lines[-1].startswith("rlmesh test: lacks_a_weight:model: the module")
    assert ended(lambda _: load("not_there_at_all:model")) == 2
    assert "Traceback" not in capfd.readouterr().err


def test_a_warning_is_a_line_without_colours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._cli.logs.log_to_stderr", lambda *_: None)
    for name in ("RLMESH_LOG", "RLMESH_LOG_FORMAT"):
        monkeypatch.setenv(name, "")
    begin_log(None, None, "warning")
    words = warnings.formatwarning("\x1b[33mold\x1b[0m\x07", UserWarning, __file__, 1)
    assert words == "warning: old\\x07\n"


def test_no_locale_is_a_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    monkeypatch.setattr(sys, "argv", ["rlmesh", "--version"])
    with pytest.raises(SystemExit):
        main()
    print("… \udc80", flush=True)
    assert written.getvalue().endswith(b"\\u2026 \\udc80\n")


def test_no_help_is_drawn_as_a_face() -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    texts = [p.help for c in commands.values() for p in c.params if getattr(p, "help", None)]
    assert len(texts) > 40 and Emoji.replace(":100:") != ":100:"
    assert [text for text in texts if Emoji.replace(text) != text] == []


@pytest.mark.parametrize("line", [["inspect"], ["fly"], [], ["play", "1", "--seed", "x"]])
def test_a_command_line_that_cannot_be_read_has_a_document(
    line: list[str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", ["rlmesh", *line, "--json"])
    with pytest.raises(SystemExit) as caught:
        main()
    assert caught.value.code == 2
    out, err = capfd.readouterr()
    assert json.loads(out)["error"]["type"] == "UsageProblem" and "Usage: rlmesh" in err


def test_certificates_are_looked_for_before_anything_is_dialled(tmp_path: Path) -> None:
    missing, there = str(tmp_path / "none.pem"), tmp_path / "own.pem"
    there.write_text("")
    with pytest.raises(UsageProblem, match=r"--tls-authority: .*none\.pem: No such file"):
        tls_of(missing, None, None)
    with pytest.raises(UsageProblem, match="need each other"):
        tls_of(None, str(there), None)
    with pytest.raises(UsageProblem, match=r"--tls-authority: .*own\.pem: \w"):
        tls_of(str(there), None, None)
    with pytest.raises(UsageProblem, match="--tls-certificate and --tls-key: not PEM"):
        tls_of(None, str(there), str(there))
    assert tls_of(None, None, None) is None


def test_a_key_that_is_not_of_its_certificate_is_told(tmp_path: Path) -> None:
    authority = new_authority()
    first, second = (authority.issue_cert("localhost") for _ in range(2))
    paths = [str(tmp_path / name) for name in ("ca.pem", "own.pem", "other.pem")]
    authority.cert_pem.write_to_path(paths[0])
    first.private_key_and_cert_chain_pem.write_to_path(paths[1])
    second.private_key_pem.write_to_path(paths[2])
    assert tls_of(paths[0], paths[1], paths[1]) is not None
    with pytest.raises(UsageProblem, match=r"--tls-certificate and --tls-key: .*mismatch"):
        tls_of(paths[0], paths[1], paths[2])
