"""`rlmesh check`, and `--reference` of the commands that serve."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.conformance.broken.env_service import RightEnv
from tests.integration.cli_processes import COMMAND, COUNTER, serving
from tests.processes import finished, running

pytest.importorskip("rich")
pytest.importorskip("typer")

QUICK = ("--only", "Q-4", "--timeout", "5")


class Unanswering(RightEnv):
    """Answers no repetition with what it kept."""

    def repeat(self, session: object, request: object) -> object:
        answer = self.handle(session, request)  # type: ignore[arg-type]
        answer.call_us = 77
        return answer


def check(*arguments: str) -> tuple[int, str, str]:
    done = finished([*COMMAND, "check", *arguments])
    return done.returncode, done.stdout, done.stderr


def test_a_right_server_passes_and_reports_are_written(tmp_path: Path) -> None:
    junit, page = tmp_path / "report.xml", tmp_path / "report.html"
    with serving(COUNTER) as (address, _):
        status, said, _ = check(address, *QUICK, "--junit", str(junit), "--html", str(page))
    assert status == 0 and f"{address}: " in said and "passed" in said
    assert "<testsuite " in junit.read_text() and "Conformance of" in page.read_text()


def test_a_broken_server_fails_with_its_rule_and_bytes(tmp_path: Path) -> None:
    with Unanswering() as server:
        status, said, _ = check(server.address, *QUICK)
        assert status == 1 and "failed: Q-4 repetition-has-the-kept-answer" in said
        assert "    1 kit: " in said and "    2 peer: " in said
        status, said, _ = check(server.address, *QUICK, "--json")
        assert status == 1
        names = [c["check"] for c in json.loads(said)["checks"] if c["status"] == "failed"]
        known = tmp_path / "known"
        known.write_text("\n".join(["# faults of this test", *names]))
        assert check(server.address, *QUICK, "--known", str(known))[0] == 0


def test_the_reference_is_served_and_judged() -> None:
    with serving("--reference", "count", "--address", "frames://127.0.0.1:0") as (address, _):
        status, said, _ = check(address, "--only", "N-8")
    assert status == 0 and "not offered" not in said
    model = [*COMMAND, "serve-model", "--reference", "ramp"]
    with running(model) as server:
        address = server.wait_for(r"serving \S+ on (\S+)\n").group(1)
        status, said, _ = check(address, "--service", "model", "--only", "P-10")
    assert status == 0 and "passed" in said


def test_a_client_that_does_nothing_fails() -> None:
    status, said, _ = check("--client", f"{sys.executable} -c pass")
    assert status == 1 and "failed: B-16 hello-comes-first" in said and "blocked" in said


def test_rules_and_checks_are_listed() -> None:
    status, said, _ = check("--list")
    assert status == 0
    assert "R-10  not judged: " in said and "Q-4  env/" in said


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "expected the address of a server"),
        (("127.0.0.1:1", "--service", "robot"), "--service: expected env or model"),
        (("127.0.0.1:1", "--known", "/nowhere"), "--known: /nowhere"),
        (("nonsense://x",), "nonsense"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: tuple[str, ...], words: str) -> None:
    status, _, said = check(*arguments)
    assert status == 2 and words in said


@pytest.mark.parametrize("command", ["serve", "serve-model"])
def test_a_server_needs_something_to_serve(command: str) -> None:
    done = finished([*COMMAND, command])
    assert done.returncode == 2 and "got none" in done.stderr
    done = finished([*COMMAND, command, "--reference", "nonsense"])
    assert done.returncode == 2 and "expected" in done.stderr
