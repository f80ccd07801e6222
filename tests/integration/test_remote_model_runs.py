"""A served model runs like a local one, and `evaluate` takes addresses and certificates."""

from __future__ import annotations

from typing import Any

import pytest

import rlmesh
from rlmesh import TLS, EnvServer, ModelServer, RemoteModel
from rlmesh.errors import AddressError
from rlmesh.results import RunResult
from tests.certificates import issued
from tests.integration.walks import WalkEnv, Walks, told

SEEDS = list(range(4))


def local() -> RunResult:
    return rlmesh.Model(Walks()).run(WalkEnv(), seeds=SEEDS)


def test_a_remote_model_has_run_and_session() -> None:
    with (
        ModelServer(rlmesh.Model(Walks())) as server,
        EnvServer(WalkEnv()) as env,
        RemoteModel(server.address, framework="native") as model,
    ):
        assert told(model.run(env.address, seeds=SEEDS)) == told(local())
        (episode,) = told(model.run(WalkEnv(), seeds=[2]))
        assert episode[1:] == told(local())[2][1:]
        with model.session(env.address) as session:
            observation, _ = session.reset(seed=1)
            steps = 0
            while not session.done:
                observation, *_ = session.step(session.predict(observation))
                steps += 1
        assert steps == local().episodes[1].steps
        model.run_local_for_episodes(env.address, max_episodes=1)


def test_evaluate_takes_the_address_of_a_model() -> None:
    with ModelServer(rlmesh.Model(Walks())) as server, EnvServer(WalkEnv()) as env:
        port = int(server.address.rpartition(":")[2])
        for name in (server.address, port, f"127.0.0.1:{port}"):
            assert told(rlmesh.evaluate(name, env.address, seeds=SEEDS)) == told(local())


def test_evaluate_takes_certificates(authority: Any, roots: bytes) -> None:
    tls = issued(authority)
    with (
        EnvServer(WalkEnv(), tls=tls) as env,
        EnvServer(WalkEnv()) as plain,
        ModelServer(rlmesh.Model(Walks()), tls=tls) as server,
    ):
        trusted = TLS(authority=roots)
        envs = [env.address, plain.address]
        assert told(rlmesh.evaluate(Walks(), envs, seeds=SEEDS, tls=trusted)) == told(local())
        result = rlmesh.evaluate(server.address, env.address, seeds=SEEDS, tls=trusted)
        assert told(result) == told(local())
        model = rlmesh.Model(Walks())
        assert told(model.run(env.address, seeds=SEEDS, tls=trusted)) == told(local())
        with model.session(env.address, tls=trusted) as session:
            session.reset(seed=0)
        # One address alone: certificates for plain text are a mistake.
        for play in (model.run, model.session):
            with pytest.raises(AddressError, match="plain text"):
                play(plain.address, tls=trusted)


def test_a_server_of_what_is_no_model_says_so() -> None:
    for given in (Walks(), len, "127.0.0.1:5555"):
        with pytest.raises(TypeError, match=r"expected a Model, got a .*; pass rlmesh.Model"):
            ModelServer(given)


def test_reprs_are_short(capsys: Any) -> None:
    result = local()
    assert repr(result).startswith("<RunResult of 'Walks' on 'WalkEnv': 4 episodes, reward ")
    comparison = rlmesh.results.compare(result, result)
    assert repr(comparison).startswith("<Comparison of 4 pairs: reward +0")
    assert "<th>reward</th><td>+0</td>" in comparison._repr_html_()
    assert "<table" in result._repr_html_()


def test_the_repr_of_a_client_names_environment_and_address() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    clients = pytest.importorskip("rlmesh_numpy")
    with EnvServer(gymnasium.make("CartPole-v1")) as server:
        env = clients.RemoteEnv(server.address)
        assert repr(env) == f"RemoteEnv('CartPole-v1', {server.address!r})"
        env.close()
    with EnvServer(gymnasium.make_vec("CartPole-v1", num_envs=2)) as server:
        vector = clients.RemoteVectorEnv(server.address)
        assert repr(vector) == f"RemoteVectorEnv('CartPole-v1', {server.address!r}, num_envs=2)"
        vector.close()
