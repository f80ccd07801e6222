"""Endpoints: environments that are asked for their address at every connection."""

from __future__ import annotations

from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, ServeOptions, errors
from tests.integration.envs import CounterEnv

GONE = ServeOptions(drain_timeout=0.0)


class Moving:
    """An environment whose server is replaced by one on another port after some resets."""

    name = "actor 7"

    def __init__(self, moves_after: int = 2) -> None:
        self.moves_after = moves_after
        self.addresses: list[str] = []
        self.released = 0
        self.server: Any = None

    def resolve(self) -> str:
        if self.server is None or self.server.wait(0):
            self.server = EnvServer(self._env(), options=GONE)
            self.server.start()
        self.addresses.append(self.server.address)
        return self.addresses[-1]

    def release(self) -> None:
        self.released += 1
        self.server.shutdown()

    def _env(self) -> Any:
        moving, resets = self, []

        class Env(CounterEnv):
            def reset(self, **arguments: Any) -> Any:
                resets.append(arguments)
                if len(resets) > moving.moves_after:
                    server = moving.server
                    server.shutdown()
                return super().reset(**arguments)

        return Env()


def test_an_endpoint_that_moves_is_followed() -> None:
    endpoint = Moving()
    assert isinstance(endpoint, rlmesh.Endpoint)
    run = rlmesh.evaluate(lambda seen: 1, [endpoint], seeds=range(6), max_episode_steps=3)
    assert [episode.index for episode in run.episodes] == list(range(6))
    assert all(episode.error is None for episode in run.episodes)
    assert {episode.endpoint for episode in run.episodes} == {"actor 7"}
    assert len(set(endpoint.addresses)) >= 3
    assert endpoint.released == 1


class Failing:
    """An endpoint that has no address at first."""

    name = "job 3"

    def __init__(self, address: Any, failures: int) -> None:
        self._address = address
        self._failures = failures

    def resolve(self) -> Any:
        self._failures -= 1
        if self._failures >= 0:
            raise LookupError("the job is pending")
        return self._address


def test_an_address_that_is_not_there_yet_is_asked_for_again() -> None:
    with EnvServer(CounterEnv()) as server:
        endpoint = Failing(server.address, 2)
        run = rlmesh.evaluate(lambda seen: 1, endpoint, seeds=[1], max_episode_steps=2)
    assert run.episodes[0].steps == 2


def test_an_endpoint_that_never_has_one_ends_the_run() -> None:
    with pytest.raises(errors.ConnectError, match=r"resolve\(\) raised LookupError: the job is"):
        rlmesh.evaluate(lambda seen: 1, Failing("", 99), seeds=[1])


def test_an_address_is_a_text() -> None:
    with pytest.raises(TypeError, match=r"job 3: expected resolve\(\) to return an address"):
        rlmesh.evaluate(lambda seen: 1, Failing(None, 0), seeds=[1])
