"""The conformance kit on the thin host."""

from __future__ import annotations

from pathlib import Path

import pytest

import rlmesh.testing
from rlmesh._transport.socket.unix import SUPPORTED
from tests.processes import ROOT

from .thin_hosts import hosted


@pytest.mark.skipif(not SUPPORTED, reason="it needs Linux")
def test_it_keeps_the_rules_that_the_kit_judges(tmp_path: Path) -> None:
    env = "packages.thin.tests.thin_envs:New"
    with hosted(tmp_path, env, PYTHONPATH=str(ROOT)) as (address, _):
        rlmesh.testing.check_server(address)
