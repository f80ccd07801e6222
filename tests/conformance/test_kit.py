"""The conformance kit on right servers, and its statuses and reports."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any
from xml.etree import ElementTree

import pytest

import rlmesh
from rlmesh import testing
from rlmesh._conformance.checks import ALL_CHECKS
from rlmesh._conformance.dialects import ENV, MODEL
from rlmesh._conformance.findings import Status
from rlmesh._conformance.known import read_known
from rlmesh._conformance.reference import ENVIRONMENTS, MODELS, new_model
from rlmesh._conformance.report_files import html_page, json_facts, junit_xml
from rlmesh._conformance.report_text import report_text
from rlmesh._conformance.runner import Report, run_checks
from rlmesh._conformance.target import read_target
from rlmesh.specs import AutoresetMode
from tests.certificates import issued, new_authority
from tests.conformance.broken.broken_servers import BROKEN
from tests.conformance.broken.env_service import RightEcho, RightEnv
from tests.conformance.broken.grpc_front import RightGrpc, RightGrpcToken
from tests.conformance.broken.lanes_service import RightDisabled, RightLanes, RightSameStep
from tests.conformance.broken.model_service import RightRamp, RightSum
from tests.size import LONG, only_long


class Short(RightEnv):
    grace_ms = 300


class Idle(RightEnv):
    idle_ms = 900


class Several(RightEnv):
    instances = 2
    token = "s3cret"


class Plain(RightEnv):
    """A server without any capability."""

    capabilities = ()


RIGHT = (
    *(RightEnv, RightEcho, RightGrpc, RightGrpcToken, Short, Idle, Several, Plain),
    *(RightLanes, RightSameStep, RightDisabled, RightSum, RightRamp),
)
FEW = (RightEnv, RightGrpc, RightLanes, RightSum)


def problems(report: Report) -> list[str]:
    """Return the outcomes that a right server does not have."""
    fine = (Status.PASSED, Status.NOT_OFFERED)
    return [f"{o.status}: {o.check}: {o.seen}" for o in report.outcomes if o.status not in fine]


def checked(address: str, dialect: Any = ENV, **options: Any) -> Report:
    tls = options.pop("tls", None)
    target = read_target(address, options.pop("token", ""), tls, 10.0)
    return run_checks(target, dialect, strict=True, **options)


@pytest.mark.parametrize("make", RIGHT if LONG else FEW, ids=lambda make: make.__name__)
def test_a_right_server_passes(make: Any) -> None:
    with make() as server:
        dialect = ENV if server.service == ENV.service else MODEL
        report = checked(server.address, dialect, token=server.token)
    assert not problems(report)
    assert report.count(Status.PASSED) > 100


def env(name: str) -> Any:
    return ENVIRONMENTS[name](AutoresetMode.SAME_STEP)


WAYS = ["frames://127.0.0.1:0", "tcp://127.0.0.1:0"]


# `echo` observes what an action holds, NaN and values out of bounds included.
@pytest.mark.filterwarnings("ignore::rlmesh._codec.validate.ValidationWarning")
@pytest.mark.parametrize("address", WAYS)
@pytest.mark.parametrize("name", ENVIRONMENTS if LONG else ["count"])
def test_our_environment_server_passes(name: str, address: str) -> None:
    exposed = ["count"] if name == "count" else []
    with rlmesh.EnvServer(env(name), address, expose=exposed) as server:
        assert not problems(checked(server.address))


@pytest.mark.parametrize("address", WAYS)
@pytest.mark.parametrize("name", MODELS if LONG else ["sum"])
def test_our_model_server_passes(name: str, address: str) -> None:
    with rlmesh.ModelServer(new_model(name), address) as server:
        assert not problems(checked(server.address, MODEL))


@pytest.mark.parametrize("scheme", ["framess", "grpcs"] if LONG else ["framess"])
def test_a_server_with_tls_and_a_token_passes(scheme: str) -> None:
    authority = new_authority()
    tls = issued(authority)
    address = f"{scheme}://127.0.0.1:0"
    with rlmesh.EnvServer(env("count"), address, token="s3cret", tls=tls) as server:
        trusted = rlmesh.TLS(authority=authority.cert_pem.bytes())
        report = checked(server.address, token="s3cret", tls=trusted)
    assert not problems(report)


@only_long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("address", WAYS)
def test_a_right_server_passes_twenty_times(address: str) -> None:
    for _ in range(20):
        with rlmesh.EnvServer(env("count"), address) as server:
            assert not problems(checked(server.address))


def test_every_check_has_a_broken_server_or_binds_nobody() -> None:
    """Name the checks that no broken server is made for; those of MAY fail no server."""
    firsts = {broken.first for broken in BROKEN}
    rules = {broken.rule for broken in BROKEN}
    for check in ALL_CHECKS:
        if check.level.value != "MAY" and "client" not in check.peers:
            assert check.name in firsts or check.rule in rules, check.name


class NoSteps(RightEnv):
    rule = "N-1"

    def do_step(self, session: Any, asked: Any) -> Any:
        return None


@pytest.fixture(scope="module")
def failed() -> Iterator[Report]:
    with NoSteps() as server:
        yield checked(server.address)


def test_what_a_failure_made_impossible_is_blocked(failed: Report) -> None:
    assert [outcome.check for outcome in failed.failures] == ["step-is-answered"]
    assert failed.count(Status.BLOCKED) > 50
    (outcome,) = failed.failures
    assert outcome.expected == "an answer step" and "UNSUPPORTED" in outcome.seen
    assert {sender for _, sender, _ in outcome.exchange} == {"kit", "peer"}


def test_reports_have_the_failure_and_its_bytes(failed: Report) -> None:
    shown = failed.failures[0].exchange[-1][2]
    for text in (report_text(failed), junit_xml([failed]), html_page([failed])):
        assert "N-1 step-is-answered" in text and shown[:60] in text
    facts = json.loads(json.dumps(json_facts(failed)))
    assert not facts["passed"] and facts["counts"]["failed"] == 1
    suite = ElementTree.fromstring(junit_xml([failed]))[0]
    assert suite.attrib["failures"] == "1" == str(len(suite.findall(".//failure")))


def test_a_known_failure_is_none_and_fails_once_it_passes() -> None:
    with NoSteps() as server:
        report = checked(server.address, known=read_known("step-is-answered  # no steps yet\n"))
    assert not report.failures and report.count(Status.KNOWN) == 1
    with RightEnv() as server:
        only = ("step-is-answered",)
        report = checked(server.address, known=only, only=only)
    assert [outcome.status for outcome in report.failures] == [Status.FIXED]
    with pytest.raises(ValueError, match="there is no check 'nonsense'"):
        read_known("nonsense")


def test_the_check_of_a_server_that_is_not_there_fails() -> None:
    report = checked("frames://127.0.0.1:1")
    assert report.failures[0].check == "describe-is-answered"


def test_pytest_gets_the_report() -> None:
    with RightEnv() as server:
        assert testing.check_server(server.address, only=("Q-4",)).count(Status.PASSED) > 3
    with NoSteps() as server, pytest.raises(AssertionError, match="N-1 step-is-answered"):
        testing.check_server(server.address)
    with pytest.raises(ValueError, match="expected 'env' or 'model'"):
        testing.check_server("127.0.0.1:1", service="robot")
