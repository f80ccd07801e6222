"""Several steps in one round trip are the steps one by one."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import gymnasium
import numpy as np
import pytest

import rlmesh
from rlmesh import EnvServer, errors
from rlmesh._messages import env as m
from rlmesh.numpy import RemoteEnv, RemoteVectorEnv
from tests.inside import manager_of, session_of
from tests.integration.envs import CounterEnv
from tests.property.sameness import identical


class Counts(CounterEnv):
    """Counts calls, ends at `last`, fails at `fails`."""

    observation_space = rlmesh.spaces.Box(0, 255, (3,), "uint8")  # type: ignore[assignment]

    def __init__(self, last: int = 1000, fails: int = -1) -> None:
        super().__init__()
        self.last, self.fails = last, fails
        self.applied: list[int] = []
        self.buffer = bytearray(3)

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.applied = []
        return self._seen(), {}

    def step(self, action: Any) -> Any:
        if len(self.applied) == self.fails:
            raise RuntimeError("the arm is stuck")
        self.applied.append(action)
        count = len(self.applied)
        return self._seen(), float(count), count == self.last, False, {"count": count}

    def _seen(self) -> Any:
        self.buffer[:] = bytes([len(self.applied)]) * 3  # The same memory each time.
        return rlmesh.Tensor(memoryview(self.buffer), "uint8", (3,))


@pytest.mark.every_transport
def test_results_are_those_of_single_steps() -> None:
    with (
        EnvServer(gymnasium.make("CartPole-v1")) as one,
        EnvServer(gymnasium.make("CartPole-v1")) as other,
        RemoteEnv(one.address) as many,
        RemoteEnv(other.address) as single,
    ):
        for seed in range(3):
            many.reset(seed=seed)
            single.reset(seed=seed)
            ended = False
            while not ended:
                actions = [int(a) for a in np.random.default_rng(seed).integers(0, 2, 7)]
                got = many.step_many(actions, all_observations=True)
                want: list[Any] = []
                for action in actions:
                    want.append(single.step(action))
                    if want[-1][2] or want[-1][3]:
                        break
                assert identical(got, want)
                ended = want[-1][2]


@pytest.mark.every_transport
def test_only_the_last_observation_travels_unless_asked() -> None:
    env = Counts()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        first = remote.step_many([0, 1, 0])
        assert [step[0] is None for step in first] == [True, True, False]
        assert first[-1][0].tolist() == [3, 3, 3]
        assert [step[1] for step in first] == [1.0, 2.0, 3.0]
        assert [step[4]["count"] for step in first] == [1, 2, 3]
        every = remote.step_many(np.array([1, 1]), all_observations=True)
        assert [step[0].tolist() for step in every] == [[4] * 3, [5] * 3]
        assert env.applied == [0, 1, 0, 1, 1]


def test_it_stops_where_an_episode_ends() -> None:
    env = Counts(last=2)
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        steps = remote.step_many([1, 0, 1, 1])
        assert [step[2] for step in steps] == [False, True]
        assert env.applied == [1, 0]
        assert steps[-1][0].tolist() == [2, 2, 2]


@pytest.mark.every_transport
@pytest.mark.parametrize("fails", [0, 2])
def test_a_failure_keeps_what_was_before(fails: int) -> None:
    env = Counts(fails=fails)
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        with pytest.raises(errors.EnvError, match="the arm is stuck") as caught:
            remote.step_many([0, 1, 1, 0])
        assert [step[1] for step in caught.value.steps] == [1.0, 2.0][:fails]
        if fails:
            assert caught.value.steps[-1][0].tolist() == [2, 2, 2]
        env.fails = -1
        assert remote.step(1)[1] == fails + 1


def test_a_bad_action_applies_none() -> None:
    env = Counts()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        with pytest.raises(errors.InvalidValueError, match=r"^actions\[2\]: ") as caught:
            remote.step_many([0, 1, 7])
        assert caught.value.path == "actions[2]"
        with pytest.raises(errors.InvalidValueError, match="one action"):
            remote.step_many([])
        assert env.applied == []


def test_a_bad_action_of_another_client_applies_none() -> None:
    env = Counts()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        session = session_of(remote)
        eight = [(n).to_bytes(8, "little") for n in (0, 1, 7)]
        for body, kind, words in (
            (m.StepMany(m.Encoded([b"".join(eight)], 3), 3), errors.InvalidValueError, r"\[2\]: "),
            (m.StepMany(m.Encoded([eight[0]], 3), 3), errors.InvalidValueError, ": action: V-4: "),
            (m.StepMany(m.Encoded([eight[0]], 1), 3), errors.ProtocolError, ": N-8: expected"),
            (m.StepMany(m.Encoded([eight[0]]), 1), errors.ProtocolError, ": N-8: expected"),
            (m.StepMany(m.Encoded([b""], 0), 0), errors.ProtocolError, None),
            (m.StepMany(m.Encoded([bytes(65_537 * 8)], 65_537), 65_537), errors.LimitError, None),
        ):
            with pytest.raises(kind, match=words and f"^actions{words}"):
                session.request(body, m.StepManyDone)
        assert env.applied == []
        assert remote.step_many([1])[0][1] == 1.0


def test_a_bad_action_applies_none_where_the_server_takes_one_at_a_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    env = Counts()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        session = session_of(remote)
        monkeypatch.setattr(session, "server", replace(session.server, capabilities=frozenset()))
        with pytest.raises(errors.InvalidValueError, match=r"^actions\[1\]: "):
            remote.step_many([0, 7])
        assert env.applied == []
        assert len(remote.step_many([0, 1])) == 2


@pytest.mark.every_transport
def test_lanes() -> None:
    def vector() -> Any:
        return gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")

    with EnvServer(vector()) as server:
        remote = RemoteVectorEnv(server.address)
        local = vector()
        remote.reset(seed=5)
        local.reset(seed=5)
        actions = np.random.default_rng(0).integers(0, 2, (40, 3))
        at = 0
        while at < len(actions):
            got = remote.step_many(actions[at : at + 8], all_observations=True)
            for result in got:
                want = local.step(actions[at])
                for mine, theirs in zip(result[:4], want[:4]):
                    np.testing.assert_array_equal(mine, theirs)
                at += 1
            assert len(got) == 8 or at == len(actions) or (got[-1][2] | got[-1][3]).any()
        last = remote.step_many(actions[:2])
        assert last[0][0] is None and last[-1][0].shape == (3, 4)
        assert last[0][1].shape == (3,)
        local.close()
        remote.close()


def test_a_server_without_it_is_stepped_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    env = Counts(last=5, fails=-1)
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        from dataclasses import replace

        session = session_of(remote)
        session.server = replace(session.server, capabilities=frozenset())
        remote.reset()
        steps = remote.step_many([0, 1, 0])
        assert [step[0] is None for step in steps] == [True, True, False]
        env.fails = 4
        with pytest.raises(errors.EnvError) as caught:
            remote.step_many([0, 1], all_observations=True)
        assert [step[1] for step in caught.value.steps] == [4.0]


@pytest.mark.every_transport
def test_a_worker_process_does_it_too() -> None:
    with (
        EnvServer(factory=Counts, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        remote.reset()
        assert [step[1] for step in remote.step_many([0, 1])] == [1.0, 2.0]


@pytest.mark.every_transport
def test_an_answer_over_the_limit_is_an_error_and_the_session_goes_on() -> None:
    env = Counts()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        from dataclasses import replace

        manager = manager_of(server)
        manager._terms = replace(manager._terms, max_message_bytes=200)
        with pytest.raises(errors.LimitError, match="the limit is 200"):
            remote.step_many([0] * 50, all_observations=True)
        assert remote.step(0)[1] == 51.0


def test_infos_that_an_environment_uses_again_are_those_of_their_steps() -> None:
    class Reuses(Counts):
        kept: dict[str, Any] = {"count": np.zeros(2), "trace": []}  # noqa: RUF012

        def step(self, action: Any) -> Any:
            observation, *rest, info = super().step(action)
            self.kept["count"][:] = info["count"]
            self.kept["trace"].append(info["count"])
            return (observation, *rest, self.kept)

    with EnvServer(Reuses()) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        steps = remote.step_many([0, 1, 0])
        assert [step[4]["count"].tolist() for step in steps] == [[1, 1], [2, 2], [3, 3]]
        assert [list(step[4]["trace"]) for step in steps] == [[1], [1, 2], [1, 2, 3]]


def test_no_more_steps_are_made_than_an_answer_holds(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._env_host.env_servicer.MAX_MANY_BYTES", 200)
    env = Counts()
    with EnvServer(env) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        with pytest.raises(errors.LimitError, match="no more were made") as caught:
            remote.step_many([0] * 50, all_observations=True)
        made = len(env.applied)
        assert 1 < made < 50
        assert [step[1] for step in caught.value.steps] == [float(n + 1) for n in range(made)]
        assert remote.step(1)[1] == made + 1.0
