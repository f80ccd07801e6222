"""`rlmesh.ray.EnvPool` on a real Ray of two nodes, in an environment of its own."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path

import pytest

from tests.processes import ROOT, finished
from tests.size import only_long
from tools.pythons import fresh_venv, made_once, pip_install

LOCK = ROOT / "requirements" / "peers-ray.txt"
SOURCES = ("packages/core/src", "packages/numpy/src", "gen/python/src")


@pytest.mark.slow
@only_long
@pytest.mark.timeout(900)
def test_a_run_on_actors_is_that_of_this_process_although_two_are_killed() -> None:
    folder = ROOT / "build" / "ray" / "{}.{}".format(*sys.version_info[:2])
    with made_once(folder, hashlib.sha256(LOCK.read_bytes()).hexdigest()) as needed:
        if needed:
            base = ["--require-hashes", "-r", LOCK]
            venv = fresh_venv(sys.executable, folder)
            pip_install(venv, base)
            pip_install(venv, ["grpcio", "grpcio-health-checking", "protobuf"])
    done = finished(
        [str(Path(__file__).with_name("ray_pool.py")), "400"],
        program=str(folder / "bin" / "python"),
        timeout=600,
        PYTHONPATH=os.pathsep.join(str(ROOT / source) for source in SOURCES),
        RAY_USAGE_STATS_ENABLED="0",
    )
    assert done.returncode == 0, done.stderr[-4000:]
    (line,) = (line for line in done.stdout.splitlines() if line.startswith("RESULT"))
    found = json.loads(line.removeprefix("RESULT"))
    assert found["equal"] and found["refused"] and found["nodes"] == 2
    assert found["endpoints"] == [f"actor {i}" for i in range(4)]
    for name in ("actor 0", "actor 1"):
        changes = [one.rpartition(" ")[2] for one in found["rejoined"] if one.startswith(name)]
        assert changes[:1] == ["joined"] and "lost" in changes and changes[-1] == "joined"


@pytest.mark.parametrize(("count", "at_least"), [(0, 1), (2, 3), (2, 0)])
def test_wrong_numbers_are_refused(count: int, at_least: int) -> None:
    from rlmesh.ray import EnvPool

    with pytest.raises(ValueError, match="1 <= at_least <= count"):
        EnvPool(dict, count, at_least=at_least)
