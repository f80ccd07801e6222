"""Commands with addresses of frames alone (B-15); test_cli_adapt.py and test_cli_check.py too."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rlmesh._transport.socket.unix import SUPPORTED
from tests.certificates import new_authority
from tests.integration.cli_processes import COMMAND, LOUD, serving, told
from tests.processes import finished, running

pytest.importorskip("rich")
pytest.importorskip("typer")

SUBJECTS = "tests.integration.cli_subjects"
SECRET = {"RLMESH_TOKEN": "s3cret"}


@pytest.mark.skipif(not SUPPORTED, reason="frames on Unix sockets need Linux")
def test_commands_play_over_a_unix_socket(tmp_path: Path) -> None:
    address = f"frames+unix://{tmp_path}/env"
    with serving(LOUD, "--address", address, "--max-sessions", "4", **SECRET) as (where, _):
        assert where == address
        assert told("inspect", where, **SECRET)["address"] == where
        assert told("play", where, **SECRET)["episodes"][0]["steps"] == 3
        bench = told("bench", where, "--seconds", "0.1", **SECRET)
        assert set(bench["transports"]) == {"frames"}
        assert bench["unavailable"] == {"grpc": "the server has frames alone"}
        run = tmp_path / "run.json"
        run.write_text(json.dumps(told("eval", "random", where, "--seeds", "0:3", **SECRET)))
        done = finished([*COMMAND, "rerun", str(run)], **SECRET)
        assert (done.returncode, done.stdout) == (0, "3 episodes repeated: equal\n"), done.stderr


def test_a_model_and_an_environment_meet_over_tcp_and_tls(tmp_path: Path) -> None:
    pytest.importorskip("numpy")
    authority = new_authority()
    own, ca = str(tmp_path / "own.pem"), str(tmp_path / "ca.pem")
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(own)
    authority.cert_pem.write_to_path(ca)
    pair = ["--tls-certificate", own, "--tls-key", own]
    model = [*COMMAND, "serve-model", f"{SUBJECTS}:one", "--address", "framess://localhost:0"]
    with (
        serving(LOUD, "--address", "framess://localhost:0", *pair) as (where, _),
        running([*model, *pair]) as server,
    ):
        policy = server.wait_for(r"serving one on (framess://\S+)\n").group(1)
        assert told("inspect", policy, "--tls-authority", ca)["model"]["id"] == "one"
        given = ["--tls-authority", ca]
        result = told("eval", policy, where, "--seeds", "0:2", *given)
        assert [episode["steps"] for episode in result["episodes"]] == [3, 3]
