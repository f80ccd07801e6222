"""What a session carries beside its values: simulation time, names of episodes, trace contexts."""

from __future__ import annotations

import logging
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors, evaluate
from rlmesh._logs import FACTS
from rlmesh.numpy import Model, RemoteVectorEnv
from rlmesh.numpy import RemoteEnv as NumpyRemoteEnv
from rlmesh.spaces import Discrete
from tests.integration.envs import CounterEnv
from tests.processes import until

TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
CLOCK = ServeOptions(sim_time="unwrapped.seconds")


class TimedEnv:
    """Counts its steps, each of which takes a twentieth of a second of simulated time."""

    observation_space = action_space = Discrete(1000)

    def __init__(self) -> None:
        self.seconds: Any = 0.0
        self.unwrapped = self

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self.seconds = 0.0
        return 0, {}

    def step(self, action: int) -> Any:
        self.seconds = [self.seconds + 0.05, float("nan"), "late", np.float32(2.5)][action]
        return action, 1.0, False, False, {}

    def close(self) -> None:
        pass


@pytest.mark.every_transport
def test_the_time_of_the_simulation_arrives_with_each_observation() -> None:
    with (
        EnvServer(TimedEnv(), options=CLOCK) as server,
        RemoteEnv(server.address) as remote,
    ):
        assert remote.sim_time is None
        _, info = remote.reset()
        assert remote.sim_time == 0.0 and not info, "infos stay those of the local environment"
        remote.step(0)
        assert remote.sim_time == 0.05
        remote.step_many([0, 0])
        assert remote.sim_time == pytest.approx(0.15)
        remote.step_async(3)
        remote.step_wait(20)
        assert remote.sim_time == 2.5


@pytest.mark.parametrize(("action", "got"), [(1, "nan"), (2, "'late'")])
def test_a_time_that_is_no_number_is_an_error_of_the_environment(action: int, got: str) -> None:
    with EnvServer(TimedEnv(), options=CLOCK) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        with pytest.raises(errors.EnvError, match=f"sim_time: .*finite.*{got}") as caught:
            remote.step(action)
        assert caught.value.path == "sim_time"
        remote.reset()
        remote.step(0)
        assert remote.sim_time == 0.05, "the session goes on"


def test_a_server_without_the_option_sends_no_time() -> None:
    with EnvServer(TimedEnv()) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        remote.step(0)
        assert remote.sim_time is None


def test_a_server_of_an_environment_without_the_attribute_does_not_start() -> None:
    words = r"sim_time='unwrapped\.seconds': CounterEnv has no attribute 'unwrapped'"
    with pytest.raises(ValueError, match=words):
        EnvServer(CounterEnv(), options=CLOCK)
    with pytest.raises(ValueError, match="sim_time=5; expected the path of an attribute"):
        ServeOptions(sim_time=5)  # type: ignore[arg-type]


def test_a_simulation_may_be_made_by_the_first_reset() -> None:
    class Late(TimedEnv):
        def __init__(self) -> None:
            super().__init__()
            self.simulation: Any = None

        def reset(self, **arguments: Any) -> Any:
            self.simulation = SimpleNamespace(time=1.5)
            return super().reset(**arguments)

    for path, time_or_error in (("simulation.time", 1.5), ("simulation.now", errors.EnvError)):
        options = ServeOptions(sim_time=path)
        with EnvServer(Late(), options=options) as server, RemoteEnv(server.address) as remote:
            if time_or_error is errors.EnvError:
                with pytest.raises(errors.EnvError, match=r"sim_time: .*simulation\.now.*no attr"):
                    remote.reset()
            else:
                remote.reset()
                assert remote.sim_time == time_or_error


@pytest.mark.parametrize("workers", ["thread", "process"])
def test_an_environment_of_a_factory_has_a_time_too(workers: Any) -> None:
    with (
        EnvServer(factory=TimedEnv, workers=workers, options=CLOCK) as server,
        RemoteEnv(server.address) as remote,
    ):
        remote.reset()
        remote.step(0)
        assert remote.sim_time == 0.05


class TimedVector:
    """Two lanes of one simulation."""

    num_envs = 2
    single_observation_space = single_action_space = Discrete(1000)
    seconds = 7

    def reset(self, *, seed: Any = None, options: Any = None) -> Any:
        return (0, 0), {}

    def step(self, actions: Any) -> Any:
        flags = np.zeros(2, bool)
        return (1, 1), np.ones(2), flags, flags, {}

    def close(self) -> None:
        pass


def test_a_vector_of_one_simulation_has_a_time() -> None:
    options = ServeOptions(sim_time="seconds")
    with (
        EnvServer(TimedVector(), options=options, framework="numpy") as server,
        RemoteVectorEnv(server.address) as remote,
    ):
        remote.reset()
        assert remote.sim_time == 7.0
        remote.step(np.zeros(2, np.int64))
        assert remote.sim_time == 7.0


def ended(log: pytest.LogCaptureFixture) -> dict[str, Any]:
    """The facts that the server has logged of the end of its session."""

    def facts() -> list[dict[str, Any]]:
        found = [getattr(record, FACTS, {}) for record in log.records]
        return [fact for fact in found if fact.get("event") == "ended"]

    return until(facts, 20)[0]


@pytest.mark.parametrize("client", [RemoteEnv, NumpyRemoteEnv])
def test_the_trace_context_and_the_episode_reach_the_log(
    client: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "rlmesh")
    with EnvServer(CounterEnv()) as server:
        with client(server.address, traceparent=TRACE) as remote:
            remote.episode_id = "run-7/3"
            remote.reset()
        facts = ended(caplog)
    assert (facts["traceparent"], facts["episode_id"]) == (TRACE, "run-7/3")


def test_the_trace_context_of_the_process_is_sent(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.INFO, "rlmesh")
    monkeypatch.setenv("TRACEPARENT", TRACE)
    with EnvServer(CounterEnv()) as server:
        RemoteEnv(server.address).close()
        assert ended(caplog)["traceparent"] == TRACE
        monkeypatch.setenv("TRACEPARENT", "not one")
        RemoteEnv(server.address, wait=5).close()


def test_what_is_no_trace_context_or_too_long_a_name_is_refused() -> None:
    with EnvServer(CounterEnv()) as server:
        with pytest.raises(ValueError, match="traceparent='x'; expected 00-"):
            RemoteEnv(server.address, traceparent="x")
        with RemoteEnv(server.address) as remote:
            with pytest.raises(errors.InvalidValueError, match="episode_id"):
                remote.episode_id = "e" * 257
            assert remote.episode_id == ""


def test_an_evaluation_names_its_episodes(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "rlmesh")
    with EnvServer(CounterEnv()) as server:
        evaluate(Model(lambda observation: 1), server.address, seeds=[5, 6, 7])
        assert ended(caplog)["episode_id"] == "2"
