"""A list of environments, served as a vector."""

from __future__ import annotations

import functools
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from rlmesh import EnvServer
from rlmesh._transport.socket.transports import TRANSPORTS
from rlmesh.errors import UnsupportedError
from rlmesh.specs import AutoresetMode, Capability
from tests.inside import session_of
from tests.integration.envs import CounterEnv

np = pytest.importorskip("numpy")
rlmesh_numpy = pytest.importorskip("rlmesh_numpy")

import gymnasium  # noqa: E402

PARTIAL_RESET = Capability.PARTIAL_RESET
MAKE = functools.partial(gymnasium.make, "CartPole-v1")


class Closing(gymnasium.Wrapper):  # type: ignore[type-arg]
    closed = 0

    def close(self) -> None:
        self.closed += 1
        super().close()


@pytest.mark.parametrize("mode", [None, *AutoresetMode, "SameStep"])
def test_environments_and_functions_become_lanes(mode: Any) -> None:
    with EnvServer([MAKE(), MAKE, MAKE()], autoreset_mode=mode) as server:
        contract = server.env_contract
        expected = AutoresetMode.NEXT_STEP if mode is None else AutoresetMode(mode)
        assert (contract.id, contract.num_envs, contract.vector) == ("CartPole-v1", 3, True)
        assert contract.autoreset_mode is expected
        with closing(rlmesh_numpy.RemoteVectorEnv(server.address)) as remote:
            assert remote.metadata["autoreset_mode"].value == expected.value
            listed = Capability.PARTIAL_RESET in session_of(remote).server.capabilities
            assert listed == (expected is AutoresetMode.DISABLED)
            observations, _ = remote.reset(seed=4)
            alone = [MAKE().reset(seed=4 + lane)[0] for lane in range(3)]
            assert np.array_equal(observations, alone)


@pytest.mark.own_transport
def test_gymnasiums_mode_is_taken_too() -> None:
    mode = gymnasium.vector.AutoresetMode.DISABLED
    with EnvServer((MAKE,), autoreset_mode=mode) as server:
        assert server.env_contract.autoreset_mode is AutoresetMode.DISABLED


def test_only_a_server_that_resets_single_lanes_is_asked_to() -> None:
    """H-9: a server that resets single lanes lists it; any other server would reset them all."""
    mask = {"reset_mask": np.array([True, False])}
    with EnvServer([MAKE, MAKE], autoreset_mode="Disabled") as server:
        remote = rlmesh_numpy.RemoteVectorEnv(server.address)
        with closing(remote):
            session = session_of(remote)
            listed = session.server.capabilities
            over_frames = {row.capability for row in TRANSPORTS}
            of_models = {
                Capability.BATCH,
                Capability.EPISODE_STEPS,
                Capability.OBSERVE,
                Capability.ACTION_PREFIX,
            }
            assert set(Capability) - listed <= {*of_models, *over_frames}
            remote.reset()
            stepped = remote.step(np.zeros(2, "int64"))[0]
            observations = remote.reset(options=mask)[0]
            assert (observations == stepped).all(axis=1).tolist() == [False, True]
            session.server = replace(session.server, capabilities=listed - {PARTIAL_RESET})
            with pytest.raises(UnsupportedError, match="does not reset single lanes"):
                remote.reset(options=mask)


@pytest.mark.parametrize("mode", ["NextStep", "SameStep"])
def test_lanes_that_reset_themselves_take_no_mask(mode: str) -> None:
    """L-8: neither by the client itself nor if its user passes one."""
    mask = {"reset_mask": np.array([True, False])}
    with (
        EnvServer([MAKE, MAKE], autoreset_mode=mode) as server,
        closing(rlmesh_numpy.RemoteVectorEnv(server.address)) as remote,
    ):
        session = session_of(remote)
        for more in (frozenset(), {PARTIAL_RESET}):
            can = session.server.capabilities | more
            session.server = replace(session.server, capabilities=can)
            with pytest.raises(UnsupportedError, match="Disabled"):
                remote.reset(options=mask)
        assert remote.reset(seed=1)[0].shape == (2, 4)


@pytest.mark.own_transport
def test_they_are_closed_with_the_server() -> None:
    envs = [Closing(MAKE()) for _ in range(2)]
    with EnvServer(envs):
        pass
    assert [env.closed for env in envs] == [1, 1]


def test_a_factory_may_make_a_list() -> None:
    with (
        EnvServer(factory=lambda: [MAKE] * 2, max_sessions=2, autoreset_mode="Disabled") as server,
        closing(rlmesh_numpy.RemoteVectorEnv(server.address)) as one,
        closing(rlmesh_numpy.RemoteVectorEnv(server.address)) as other,
    ):
        assert not np.array_equal(one.reset(seed=1)[0], other.reset(seed=2)[0])
        assert one.metadata["autoreset_mode"].value == "Disabled"


def fail() -> Any:
    raise LookupError("no third one")


@pytest.mark.own_transport
@pytest.mark.parametrize(
    ("envs", "arguments", "kind", "words"),
    [
        ([], {}, ValueError, "got an empty list"),
        ([MAKE, CounterEnv()], {}, TypeError, "environment 1 of the list is a CounterEnv"),
        ([MAKE, CounterEnv], {}, TypeError, "environment 1 of the list is a CounterEnv"),
        ([MAKE, MAKE, fail], {}, LookupError, "no third one"),
        ([MAKE], {"autoreset_mode": "never"}, ValueError, "'never' is not a valid"),
        (MAKE(), {"autoreset_mode": "SameStep"}, ValueError, "is for a list of environments"),
    ],
)
def test_what_is_no_vector_is_refused(
    envs: Any, arguments: Any, kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        EnvServer(envs, **arguments)


@pytest.mark.own_transport
def test_those_made_before_a_failure_are_closed() -> None:
    env = Closing(MAKE())
    with pytest.raises(LookupError):
        EnvServer([env, fail])
    assert env.closed == 1
