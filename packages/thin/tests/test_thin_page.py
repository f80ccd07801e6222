"""The page docs/old-simulators.md: its commands and its options."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

from rlmesh.numpy import RemoteEnv
from rlmesh_thin.main import _options
from rlmesh_thin.session import GRACE_SECONDS
from tests.documents.blocks import labelled
from tests.processes import ROOT

from .thin_hosts import hosted

PAGE = (ROOT / "docs/old-simulators.md").read_text(encoding="utf-8")


def test_the_command_serves(tmp_path: Path) -> None:
    prints, serves = labelled("thin").splitlines()
    assert prints == "rlmesh thin > host.py"
    program, file, env, *arguments = shlex.split(serves)
    assert program == "python3.8" and file == "host.py" and env == "gym:make"
    arguments = [re.sub(r":\d+$", ":0", argument) for argument in arguments]
    with (
        hosted(tmp_path, "gymnasium:make", *arguments, program=sys.executable) as (address, _),
        RemoteEnv(address) as remote,
    ):
        assert remote.env_contract.id == "CartPole-v1"


def test_the_table_has_every_option() -> None:
    named = set(re.findall(r"`(--[a-z-]+)`", PAGE)) - {"--print-protocol"}
    defaults = vars(_options(["module:callable"]))
    options = {"--" + name.replace("_", "-") for name in defaults} - {"--env", "--worker-fd"}
    assert named == options


def test_the_grace_period_is_that_of_the_text() -> None:
    assert f"the grace period is {GRACE_SECONDS:g} s" in PAGE.replace("\n", " ")
