"""Models served by Node and by Python, with clients of the other, and the kit on a Node server."""

from __future__ import annotations

import json
from contextlib import AbstractContextManager

import gymnasium
import pytest

from rlmesh import EnvServer, ModelServer, RemoteEnv, RemoteModel, errors
from rlmesh._conformance import reference
from rlmesh.numpy import Model
from tests.faults import Proxy, cutting
from tests.integration.cli_processes import COMMAND
from tests.node.programs import build_or_skip, run
from tests.processes import announced, finished
from tests.size import only_long
from tools.node.package import TESTS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("node")]

ADDRESS = "frames://127.0.0.1:0"


@pytest.fixture(autouse=True, scope="module")
def built() -> None:
    build_or_skip()


def serving(name: str, token: str = "") -> AbstractContextManager[str]:
    """Serve a model of known answers by Node; its address."""
    return announced(["node", str(TESTS / "serve_model.js"), ADDRESS, name, token])


def test_a_python_client_asks_a_node_server_through_cuts() -> None:
    with (
        EnvServer(reference.Count(), ADDRESS) as env,
        RemoteEnv(env.address) as remote,
        serving("sum") as where,
        Proxy(where) as proxy,
    ):
        with RemoteModel(proxy.address, remote) as model, cutting(proxy, every=700):
            total = 0
            for number in range(200):
                total += number % 100
                assert model.predict(number % 100) == total % 3
        assert proxy.broken >= 5


def test_a_node_server_asks_for_its_token() -> None:
    with (
        EnvServer(reference.Count(), ADDRESS) as env,
        RemoteEnv(env.address) as remote,
        serving("ramp", "s3cret") as where,
    ):
        with pytest.raises(errors.AuthenticationError):
            RemoteModel(where, remote)
        with RemoteModel(where, remote, token="s3cret") as model:
            assert model.predict(2) == 2


def test_a_node_client_plays_with_a_python_model() -> None:
    def act(observation: object) -> int:
        return int(observation[2] > 0)  # type: ignore[index]

    expected = []
    local = gymnasium.make("CartPole-v1")
    for seed in (3, 4):
        observation, _ = local.reset(seed=seed)
        over, total = False, 0
        while not over:
            action = act(observation)
            observation, _, terminated, truncated, _ = local.step(action)
            expected.append(str(action))
            over, total = terminated or truncated, total + 1
        expected.append(f"reward {total}")
    with (
        EnvServer(gymnasium.make("CartPole-v1"), ADDRESS) as env,
        ModelServer(Model(act), ADDRESS) as model,
    ):
        assert run("play_model.js", env.address, model.address, "[3, 4]") == expected


@only_long
@pytest.mark.parametrize("name", ["sum", "ramp"])
def test_the_kit_finds_no_broken_rule(name: str) -> None:
    with serving(name, "s3cret") as where:
        command = [*COMMAND, "check", where, "--service", "model", "--json"]
        done = finished(command, RLMESH_TOKEN="s3cret", timeout=120)
    assert done.returncode == 0, done.stdout
    assert json.loads(done.stdout)
