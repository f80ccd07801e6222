"""A remote environment is the local one, whatever is called in which order."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from rlmesh import EnvServer, ServeOptions
from rlmesh.errors import EnvError, InvalidValueError
from tests.backends.libraries import installed, open_library
from tests.property.clients import client_module
from tests.property.strategies import arrays_of, dynamic_arrays, info_trees
from tests.size import LONG

np = pytest.importorskip("numpy")
pytest.importorskip("rlmesh_numpy")

from rlmesh.numpy import BACKEND  # noqa: E402
from tests.property.gymnasium_strategies import GYMNASIUM, gymnasium_spaces  # noqa: E402
from tests.property.probe import ProbeEnv, received  # noqa: E402
from tests.property.sameness import as_numpy, identical, outcome  # noqa: E402

SEEDS = st.integers(0, 2**32)


def contains(space: Any, value: Any) -> bool:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # Gymnasium's, of scalars that it casts.
        return outcome(lambda: space.contains(value)) is True


class RemoteEnvMachine(RuleBasedStateMachine):
    """Calls a local environment and a served one alike, and compares every answer."""

    library = "numpy"

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[Any, Any]] = []
        self.opened = ExitStack()
        self.opened.enter_context(open_library(self.library))

    @initialize(
        observation_space=gymnasium_spaces(),
        action_space=gymnasium_spaces(),
        seed=SEEDS,
        unix=st.booleans(),
    )
    def serve(self, observation_space: Any, action_space: Any, seed: int, unix: bool) -> None:
        if GYMNASIUM < (1, 2):
            # Its graphs of a Discrete with a start sample what is none of theirs.
            assume("Graph" not in f"{observation_space}{action_space}")
        self.local = ProbeEnv(observation_space, action_space)
        folder = self.opened.enter_context(tempfile.TemporaryDirectory())
        address = f"unix://{Path(folder) / 'env'}" if unix else None
        options = ServeOptions(validation="off")
        served = ProbeEnv(observation_space, action_space)
        self.server = EnvServer(served, address, options=options)
        self.server.start()
        self.opened.callback(self.server.shutdown)
        self.connect()
        self.reset(seed, None)

    def connect(self) -> None:
        client = client_module(self.library).RemoteEnv
        self.remote = client(self.server.address, validation="off")
        self.opened.callback(self.remote.close)

    def same(self, space: Any, call: Callable[[Any], Any]) -> None:
        """The call on both has the same results, or the same error."""
        expected = outcome(lambda: call(self.local))
        if isinstance(expected[0], type):
            with pytest.raises(EnvError) as caught:
                call(self.remote)
            kind, words = expected
            assert caught.value.exception_type == f"{kind.__module__}.{kind.__qualname__}"
            assert words in str(caught.value) and not caught.value.session_closed
            return
        observation, *rest = expected
        member = contains(space, observation)
        answer = outcome(lambda: call(self.remote))
        if not member and answer[0] is EnvError:
            return  # Some versions of Gymnasium draw what is no sample, which cannot be sent.
        got, *others = answer
        want = received(space, observation, self.library)
        if self.library == "numpy" and member:
            assert contains(self.remote.observation_space, got)
        assert identical(as_numpy(got), want)
        self.kept = [*self.kept[-5:], (got, deepcopy(want))]
        assert identical(as_numpy(others.pop()), self.told(rest.pop()))
        if rest:
            reward, terminated, truncated = rest
            assert identical(others, [float(reward), bool(terminated), bool(truncated)])

    def told(self, info: Any) -> Any:
        """An info as it travels: a graph in it is a tuple; natively numbers are Python's."""
        if isinstance(info, dict):
            return {key: self.told(part) for key, part in info.items()}
        if isinstance(info, (tuple, list)):
            return (list if isinstance(info, list) else tuple)(map(self.told, info))
        native = self.library == "native" and isinstance(info, np.generic)
        return info.item() if native else info

    @rule(seed=st.none() | SEEDS, options=st.none() | info_trees())
    def reset(self, seed: int | None, options: Any) -> None:
        def call(env: Any) -> Any:
            return env.reset(seed=seed, options=deepcopy(options))

        self.same(self.local.observation_space, call)

    @precondition(lambda self: self.library != "native")  # It has no types for some of them.
    @rule(options=info_trees(dynamic_arrays().map(BACKEND.from_dynamic)))
    def reset_with_arrays(self, options: Any) -> None:
        self.reset(None, options)

    @rule(length=st.integers(1, 6), fault=st.integers(0, 4))
    def reset_to_be_short(self, length: int, fault: int) -> None:
        self.reset(None, {"length": length, "fault": fault})

    @rule(seed=SEEDS)
    def step(self, seed: int) -> None:
        space = self.local.action_space
        space.seed(seed)
        try:
            action = received(space, space.sample())
        except (OverflowError, ValueError):
            return  # Gymnasium cannot draw from some boxes of 64 bits.
        if not contains(space, action):
            return
        self.same(self.local.observation_space, lambda env: env.step(deepcopy(action)))

    @rule()
    def steps(self) -> None:
        for seed in range(3):
            self.step(seed)

    @rule(wrong=st.sampled_from([object(), 1j, {"no key": 1}, [None], "\ud800"]))
    def bad_action(self, wrong: Any) -> None:
        with pytest.raises(InvalidValueError) as caught:
            self.remote.step(wrong)
        assert caught.value.path.startswith("action")

    @rule()
    def render(self) -> None:
        assert identical(as_numpy(self.remote.render()), self.local.render())

    @rule(seed=SEEDS)
    def reconnect(self, seed: int) -> None:
        self.remote.close()
        self.connect()
        self.reset(seed, None)

    @rule()
    def scribble(self) -> None:
        """What was returned is the caller's own: writing it changes nothing else."""
        for got, want in self.kept[-1:]:
            for array, copy in zip(arrays_of(got), arrays_of(want)):
                if getattr(getattr(array, "flags", None), "writeable", False):
                    array[...] = 0
                    copy[...] = 0

    @invariant()
    def observations_stay(self) -> None:
        for got, want in self.kept:
            assert identical(as_numpy(got), want)

    def teardown(self) -> None:
        self.opened.close()


class NativeMachine(RemoteEnvMachine):
    library = "native"


class TorchMachine(RemoteEnvMachine):
    library = "torch"


class JaxMachine(RemoteEnvMachine):
    library = "jax-x64"


# Each plays twenty calls against a server.
EXAMPLES = settings.default.max_examples // (1 if LONG else 2)
MACHINES = {
    RemoteEnvMachine: EXAMPLES,
    NativeMachine: EXAMPLES // 3,
    TorchMachine: EXAMPLES // 4,
    JaxMachine: EXAMPLES // 4,
}


# Gymnasium's own sampling of boxes that reach from one end of float64 to the other.
@pytest.mark.filterwarnings("ignore:overflow encountered:RuntimeWarning")
@pytest.mark.filterwarnings("ignore:invalid value encountered in cast:RuntimeWarning")
@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.library)
@pytest.mark.draws
def test_a_remote_environment_is_the_local_one(machine: type[RemoteEnvMachine]) -> None:
    if not installed(machine.library):
        pytest.skip(f"{machine.library} is not installed")
    often = settings(max_examples=MACHINES[machine], stateful_step_count=20)
    run_state_machine_as_test(machine, settings=often)
