"""The conformance kit on the Node server and the Node client."""

from __future__ import annotations

import json

import pytest

from tests.integration.cli_processes import COMMAND
from tests.node.programs import build_or_skip, serving
from tests.processes import finished
from tests.size import only_long
from tools.node.package import TESTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("node")]


@pytest.fixture(autouse=True, scope="module")
def built() -> None:
    build_or_skip()


@only_long
def test_the_kit_finds_no_broken_rule_of_the_server() -> None:
    with serving("frames://127.0.0.1:0", token="s3cret") as where:
        done = finished([*COMMAND, "check", where, "--json"], RLMESH_TOKEN="s3cret", timeout=120)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)


@only_long
def test_the_kit_finds_no_broken_rule_of_the_client() -> None:
    client = f"node {TESTS / 'kit_client.js'}"
    done = finished([*COMMAND, "check", "--client", client, "--json"], timeout=120)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)
