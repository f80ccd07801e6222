"""What fails in an evaluation: endpoints, environments, the model, the evaluator itself."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, errors
from rlmesh._journal import Journal
from rlmesh._policy.policy import LocalPolicy
from rlmesh.results import EpisodeEnd
from tests.integration.envs import CounterEnv, MischiefEnv, ScriptedEnv, is_free
from tests.integration.walks import Decide, WalkEnv, told
from tests.processes import running, until

SEEDS = list(range(12))

SERVER = """
from rlmesh import EnvServer, ServeOptions
from tests.integration.walks import WalkEnv
server = EnvServer(WalkEnv({delay}), options=ServeOptions(grace_period=2.0))
server.serve(on_ready=lambda: print(server.address, flush=True))
"""


def alone() -> list[Any]:
    return told(rlmesh.Model(Decide()).run(WalkEnv(), seeds=SEEDS))


@contextmanager
def served(*envs: Any) -> Generator[list[str], None, None]:
    with ExitStack() as stack:
        yield [stack.enter_context(EnvServer(env)).address for env in envs]


class Once:
    """A hook that does something after some episodes."""

    def __init__(self, after: int, act: Any) -> None:
        self.left, self.act = after, act

    def on_episode_end(self, event: Any) -> None:
        self.left -= 1
        if self.left == 0:
            self.act()


def test_an_endpoint_that_is_killed_is_retired(transport: str) -> None:
    if transport == "shared":
        pytest.skip("as over frames")
    with (
        running(["-c", SERVER.format(delay=0.01)]) as doomed,
        served(WalkEnv(0.01), WalkEnv(0.01)) as addresses,
    ):
        dying = doomed.wait_for(r"tcp://\S+").group()
        kill = Once(3, doomed.process.kill)
        result = rlmesh.evaluate(Decide(), [dying, *addresses], seeds=SEEDS * 2, hooks=kill)
    assert [row[1:] for row in told(result)] == [row[1:] for row in alone() * 2]
    assert EpisodeEnd.ERROR not in result.ends


def test_an_endpoint_that_was_never_there_is_left_out() -> None:
    with served(WalkEnv()) as (address,):
        result = rlmesh.evaluate(Decide(), ["127.0.0.1:1", address], seeds=SEEDS)
    assert told(result) == alone()


def test_where_nobody_answers() -> None:
    with pytest.raises(errors.ConnectError):
        rlmesh.evaluate(Decide(), ["127.0.0.1:1", "127.0.0.1:2"], seeds=SEEDS, retries=0)


def test_the_last_endpoint_that_is_killed_leaves_what_was_finished(tmp_path: Path) -> None:
    journal = tmp_path / "run.journal"
    with running(["-c", SERVER.format(delay=0)]) as doomed:
        address = doomed.wait_for(r"tcp://\S+").group()
        kill = Once(4, lambda: (doomed.process.kill(), doomed.process.wait()))
        with pytest.raises(errors.RunError) as caught:
            rlmesh.evaluate(Decide(), address, seeds=SEEDS, hooks=kill, journal=journal, retries=0)
    assert told(caught.value.result) == alone()[:4]
    resumed = rlmesh.evaluate(Decide(), WalkEnv(), seeds=SEEDS, journal=journal, resume=True)
    assert told(resumed) == alone()


@pytest.mark.every_transport
def test_a_connection_that_is_lost_is_made_again() -> None:
    """A server that ends a session: the episode is played again on a new one."""
    options = rlmesh.ServeOptions(idle_timeout=0.2)
    slept: list[float] = []

    def late(observation: Any) -> int:
        if not slept:
            slept.append(1.5)
            time.sleep(1.5)
        return Decide().predict(observation)

    with EnvServer(WalkEnv(), options=options) as server:
        result = rlmesh.evaluate(late, server.address, seeds=SEEDS)
    assert told(result) == alone()


def test_an_endpoint_that_comes_back_as_another_environment_plays_no_more(
    caplog: pytest.LogCaptureFixture,
) -> None:
    options = rlmesh.ServeOptions(grace_period=0.2)
    with ExitStack() as stack:
        first = stack.enter_context(EnvServer(WalkEnv(0.01), options=options))
        (other,) = stack.enter_context(served(WalkEnv(0.01)))

        def change() -> None:
            first.shutdown()
            stack.enter_context(EnvServer(CounterEnv(), first.address))

        result = rlmesh.evaluate(
            Decide(), [first.address, other], seeds=SEEDS, hooks=Once(2, change), retries=5
        )
    assert told(result) == alone()
    assert "expected endpoints of one environment" in caplog.text


@pytest.mark.every_transport
def test_a_client_that_was_given_is_replaced_when_it_is_lost(transport: str) -> None:
    if transport == "shared":
        pytest.skip("as over frames")
    with EnvServer(WalkEnv()) as server:
        client = rlmesh.RemoteEnv(server.address)
        result = rlmesh.evaluate(Decide(), client, seeds=SEEDS, hooks=Once(3, client.close))
        assert told(result) == alone()
        assert is_free(server.address)  # The one that took its place is closed.
        with pytest.raises(errors.RunError, match="closed"):
            rlmesh.Model(Decide()).run(client)


@pytest.mark.own_transport
def test_a_wrong_observation_of_a_local_environment_ends_its_episode() -> None:
    class Wrong(CounterEnv):
        def reset(self, seed: Any = None, options: Any = None) -> Any:
            super().reset()
            return seed, {}

    pytest.importorskip("gymnasium")
    from rlmesh.numpy import Model

    result = rlmesh.evaluate(Model(lambda _: 0), Wrong(), seeds=[0, 9, 1])
    assert [e.end.value for e in result.episodes] == ["terminated", "error", "terminated"]
    error = result.episodes[1].error
    assert error is not None and (error.path, error.actual) == ("observation", "9")


@pytest.mark.own_transport
@pytest.mark.parametrize("infos", [(None, {}), ({}, None)])
def test_a_local_environment_without_an_info_ends_its_episode(infos: tuple[Any, Any]) -> None:
    class Wordless(WalkEnv):
        def reset(self, seed: Any = None, options: Any = None) -> Any:
            self.infos = infos if seed == 9 else ({}, {})
            return super().reset(seed)[0], self.infos[0]

        def step(self, action: Any) -> Any:
            return (*super().step(action)[:4], self.infos[1])

    result = rlmesh.evaluate(Decide(), Wordless(), seeds=[0, 9, 1])
    assert [e.error is None for e in result.episodes] == [True, False, True]
    error = result.episodes[1].error
    assert error is not None and "with info a dict" in error.message


@pytest.mark.own_transport
def test_an_interrupt_at_the_end_leaves_the_result() -> None:
    """Recorders may take their time there, and environments to close."""

    class Slow:
        def on_run_end(self, event: Any) -> None:
            raise KeyboardInterrupt

    def close() -> None:
        raise KeyboardInterrupt

    env = WalkEnv()
    env.close = close  # type: ignore[method-assign]
    for arguments in ({"hooks": Slow()}, {"close_envs": True}):
        with pytest.raises(KeyboardInterrupt) as caught:
            rlmesh.evaluate(Decide(), env, seeds=SEEDS, **arguments)  # type: ignore[arg-type]
        assert told(caught.value.result) == alone()  # type: ignore[attr-defined]


@pytest.mark.parametrize("count", [1, 3])
def test_an_environment_that_fails_ends_that_episode_alone(count: int) -> None:
    with served(*[WalkEnv(fails=(2, 7)) for _ in range(count)]) as addresses:
        result = rlmesh.evaluate(Decide(), addresses, seeds=SEEDS, retries=1)
    wanted = alone()
    for row, want, episode in zip(told(result), wanted, result.episodes):
        if episode.seed not in (2, 7):
            assert row == want
            continue
        assert (episode.end, episode.steps, episode.success) == (EpisodeEnd.ERROR, 2, None)
        assert episode.error is not None
        assert "does not work" in episode.error.message
        assert episode.error.exception_type == "builtins.RuntimeError"


def test_what_fails_in_a_chunk_counts_the_steps_before() -> None:
    class Chunks(Decide):
        def predict_chunk(self, observation: Any) -> list[int]:
            return [1, 1, 1, 1]

    with served(WalkEnv(fails=(5,))) as (address,):
        result = rlmesh.evaluate(Chunks(), address, seeds=[5], execution_horizon=4)
    assert [(e.end, e.steps) for e in result.episodes] == [(EpisodeEnd.ERROR, 2)]
    assert result.episodes[0].reward != 0


class Long(Decide):
    """Plans further than one request may (M-1)."""

    def predict_chunk(self, observation: Any) -> list[int]:
        return [1] * 70_000


def test_a_chunk_may_be_longer_than_a_request() -> None:
    with served(WalkEnv()) as (address,):
        result = rlmesh.evaluate(Long(), address, seeds=[5], execution_horizon=70_000)
    assert [e.error for e in result.episodes] == [None]


def test_an_endpoint_is_not_held_by_what_it_was_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that leaves the session open: a new session then found the environment held."""
    monkeypatch.setattr("rlmesh._evaluation.episode.MAX_CHUNK", 70_000)
    with served(WalkEnv()) as (address,):
        with pytest.raises(errors.RunError, match="expected at most 65536, got 70000"):
            rlmesh.evaluate(Long(), address, seeds=[5], execution_horizon=70_000, retries=1)
        rlmesh.RemoteEnv(address).close()


def test_an_episode_that_failed_is_tried_elsewhere() -> None:
    """One environment of two never works: all episodes are played, without an error."""
    broken = ScriptedEnv(*[RuntimeError("the motor is hot")] * 1000)
    with served(broken, ScriptedEnv()) as addresses:
        result = rlmesh.evaluate(lambda _: 0, addresses, seeds=SEEDS, retries=1)
    assert result.ends == {EpisodeEnd.TERMINATED: len(SEEDS)}
    assert set(result.by_endpoint()) == {addresses[1]}


def test_a_crash_starts_another_process() -> None:
    def crash(observation: Any, context: Any) -> int:
        return MischiefEnv.TROUBLES.index("exit") if context.seed == 1 else 0

    with EnvServer(factory=MischiefEnv, workers="process") as server:
        result = rlmesh.evaluate(crash, server.address, seeds=[0, 1, 2], retries=1)
    assert [e.end.value for e in result.episodes] == ["terminated", "error", "terminated"]
    error = result.episodes[1].error
    assert error is not None and error.exit_code == 7


def test_a_run_of_one_ends_with_its_first_failure() -> None:
    with served(WalkEnv(fails=(2,))) as (address,), pytest.raises(errors.RunError) as caught:
        rlmesh.Model(Decide()).run(address, seeds=SEEDS)
    assert isinstance(caught.value.__cause__, errors.EnvError)
    assert told(caught.value.result) == alone()[:2]


def test_a_model_that_fails_ends_the_run() -> None:
    def fails(observation: Any, context: Any) -> int:
        # Every other seed's action is a good one: else whichever comes first ends the run.
        return 1 // (context.seed != 7)

    with (
        served(WalkEnv(), WalkEnv()) as addresses,
        pytest.raises(errors.RunError, match="division") as caught,
    ):
        rlmesh.evaluate(fails, addresses, seeds=SEEDS)
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert 7 not in [e.seed for e in caught.value.result.episodes]


def test_a_model_is_told_of_every_episode_that_is_over() -> None:
    class Policy(LocalPolicy):
        def begin(self, *args: Any, **kwargs: Any) -> Any:
            context = super().begin(*args, **kwargs)
            begun.append(context)
            return context

        def end(self, context: Any) -> None:
            ended.append(context)

        def close(self) -> None:
            assert len(ended) == len(begun)
            ended.append("closed")

    class Told(rlmesh.Model):
        def policy(self, contract: Any, **arguments: Any) -> Any:
            return Policy(self.fitted(contract))

    begun: list[Any] = []
    ended: list[Any] = []
    model = Told(Decide())
    with served(WalkEnv(fails=(5,)), WalkEnv()) as addresses:
        rlmesh.evaluate(model, addresses, seeds=SEEDS)
        assert len(begun) >= len(SEEDS) and ended.pop() == "closed"
        assert {*map(id, begun)} == {*map(id, ended)}
        begun.clear()
        ended.clear()
        with pytest.raises(errors.RunError):
            rlmesh.evaluate(model, addresses, seeds=SEEDS, hooks=Once(5, lambda: 1 // 0))
        assert len(begun) > 5 and ended.pop() == "closed"


@pytest.mark.own_transport
def test_an_environment_that_does_not_close_costs_no_result(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def close() -> None:
        raise OSError("the window is gone")

    stuck, other = WalkEnv(), WalkEnv()
    stuck.close = close  # type: ignore[method-assign]
    result = rlmesh.evaluate(Decide(), [stuck, other], seeds=SEEDS, close_envs=True)
    assert told(result) == alone()
    assert other.closed == 1
    assert "the window is gone" in caplog.text


def test_an_action_outside_its_space_ends_the_run() -> None:
    with served(WalkEnv()) as (address,), pytest.raises(errors.RunError, match="got 9"):
        rlmesh.evaluate(lambda _: 9, address, seeds=SEEDS)


def test_a_hook_that_fails_ends_the_run() -> None:
    def fail() -> None:
        raise KeyError("mine")

    with served(WalkEnv(), WalkEnv()) as addresses:
        with pytest.raises(errors.RunError, match="mine") as caught:
            rlmesh.evaluate(Decide(), addresses, seeds=SEEDS, hooks=Once(5, fail))
        assert len(caught.value.result.episodes) == 5
        for address in addresses:  # They are free again.
            until(lambda address=address: is_free(address), 10, address)


@pytest.mark.parametrize("count", [1, 2])
def test_an_interrupt_ends_the_run_at_once(count: int, tmp_path: Path) -> None:
    """The environment hangs, and is not waited for."""
    journal = tmp_path / "run.journal"
    released, returned = threading.Event(), list[Any]()

    class Hangs(WalkEnv):
        def step(self, action: Any) -> Any:
            if self._seed == 5:
                threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
                released.wait(60)
                returned.append(self._seed)
            return super().step(action)

    with served(*[Hangs() for _ in range(count)]) as addresses:
        try:
            with pytest.raises(KeyboardInterrupt) as caught:
                rlmesh.evaluate(Decide(), addresses, seeds=SEEDS, journal=journal)
            assert returned == []  # It hangs still.
        finally:
            released.set()
    result: Any = caught.value.result  # type: ignore[attr-defined]
    indices = [e.index for e in result.episodes]
    assert set(range(5)) <= set(indices) and 5 not in indices
    with Journal.open(journal) as kept:
        assert sorted(e.index for e in kept.episodes) == indices


def test_no_thread_is_left() -> None:
    before = set(threading.enumerate())  # Those of the test before, which hang, may be ending.
    with served(WalkEnv(), WalkEnv()) as addresses:
        rlmesh.evaluate(Decide(), addresses, seeds=SEEDS)
        names = [thread.name for thread in set(threading.enumerate()) - before]
        assert not [name for name in names if name.startswith("rlmesh-endpoint")]
