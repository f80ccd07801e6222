"""A remote vector is Gymnasium's SyncVectorEnv: every autoreset mode, infos, masks and seeds."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from copy import deepcopy
from typing import Any

import pytest
from hypothesis import settings
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
from tests.size import LONG

np = pytest.importorskip("numpy")
pytest.importorskip("rlmesh_numpy")

import gymnasium.spaces as gs  # noqa: E402
from gymnasium.vector import AutoresetMode, SyncVectorEnv  # noqa: E402

from tests.property.probe import ProbeEnv, received, received_batch  # noqa: E402
from tests.property.sameness import as_numpy, identical, outcome  # noqa: E402

SEEDS = st.integers(0, 2**32)
IMAGE = gs.Box(0, 255, (6, 5, 3), np.uint8)
VECTOR = gs.Box(-np.inf, np.inf, (3,), np.float32)
OBSERVATIONS = (
    IMAGE,
    VECTOR,
    gs.Box(-1, 1, (), np.float64),
    gs.Box(-5, 5, (2, 0), np.int16),
    gs.Discrete(5, start=-2),
    gs.MultiBinary([2, 2]),
    gs.MultiDiscrete([3, 4], start=[-1, 5]),
    gs.Text(4, min_length=0, charset="añ😀"),
    gs.Sequence(gs.Discrete(3)),
    gs.Sequence(VECTOR, stack=True),
    gs.Graph(VECTOR, gs.Discrete(3)),
    gs.OneOf([VECTOR, gs.Text(3)]),
    gs.Dict({"image": IMAGE, "pose": VECTOR, "goal": gs.Discrete(3), "hint": gs.Text(5)}),
    gs.Dict({"inner": gs.Dict({"b": VECTOR, "a": gs.Tuple([VECTOR, gs.MultiBinary(2)])})}),
    gs.Tuple([IMAGE, gs.Dict({"x": VECTOR}), gs.Discrete(2)]),
)
ACTIONS = (
    gs.Discrete(4),
    gs.Discrete(3, start=-1),
    gs.Box(-1, 1, (2,), np.float32),
    gs.MultiDiscrete([2, 3]),
    gs.MultiBinary(3),
    gs.Dict({"grip": gs.Discrete(2), "arm": gs.Box(-1, 1, (2,), np.float64)}),
    gs.Tuple([gs.Discrete(3), gs.Text(3)]),
)


def same_infos(got: Any, want: Any) -> bool:
    """Equality to the bit, whatever the order of the keys: restored ones have no place."""
    if isinstance(want, dict):
        return set(got) == set(want) and all(same_infos(got[key], want[key]) for key in want)
    return identical(got, want)


def listed(infos: Any) -> Any:
    """Infos with lists for arrays of objects, and Python's numbers for NumPy's, as natively."""
    if isinstance(infos, dict):
        return {key: listed(part) for key, part in infos.items()}
    if isinstance(infos, np.ndarray) and infos.dtype == object:
        return list(map(listed, infos))
    if type(infos) is tuple:
        return tuple(map(listed, infos))
    return infos.item() if isinstance(infos, np.generic) else infos


class RemoteVectorMachine(RuleBasedStateMachine):
    """Calls a local vector and a served one alike, and compares every answer."""

    library = "numpy"

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[tuple[Any, Any]] = []
        self.opened = ExitStack()
        self.opened.enter_context(open_library(self.library))

    @initialize(
        observation_space=st.sampled_from(OBSERVATIONS),
        action_space=st.sampled_from(ACTIONS),
        mode=st.sampled_from(AutoresetMode),
        lanes=st.integers(1, 3),
        seed=SEEDS,
        listed=st.booleans(),
    )
    def serve(
        self,
        observation_space: Any,
        action_space: Any,
        mode: Any,
        lanes: int,
        seed: int,
        listed: bool,
    ) -> None:
        makers = [lambda: ProbeEnv(observation_space, action_space)] * lanes

        def vector() -> Any:
            return SyncVectorEnv(makers, autoreset_mode=mode)

        self.mode, self.lanes = mode, lanes
        self.space = observation_space
        self.local = vector()
        options = ServeOptions(validation="off")
        if listed:
            self.server = EnvServer(makers, options=options, autoreset_mode=mode)
        else:
            self.server = EnvServer(vector(), options=options)
        self.server.start()
        self.opened.callback(self.server.shutdown)
        self.connect()
        assert self.remote.num_envs == lanes
        self.reset(seed)

    def connect(self) -> None:
        client = client_module(self.library).RemoteVectorEnv
        self.remote = client(self.server.address, validation="off")
        self.opened.callback(self.remote.close)

    def same(self, call: Callable[[Any], Any]) -> None:
        """The call on both has the same results, or the same error."""
        expected = outcome(lambda: call(self.local))
        if isinstance(expected[0], type):
            with pytest.raises(EnvError) as caught:
                call(self.remote)
            kind, words = expected
            assert caught.value.exception_type == f"{kind.__module__}.{kind.__qualname__}"
            assert words in str(caught.value)
            return
        observations, *rest = expected
        got, *others = call(self.remote)
        want = deepcopy(received_batch(self.space, observations, self.library))
        assert identical(as_numpy(got), want)
        self.kept = [*self.kept[-5:], (got, want)]
        assert same_infos(as_numpy(others.pop()), self.told(rest.pop()))
        assert identical([as_numpy(x) for x in others], rest)

    def told(self, infos: Any) -> Any:
        """Infos as they travel: the last observations are as a client gets them."""
        infos = deepcopy(infos)
        for lane, last in enumerate(infos.get("final_obs", ())):
            if last is not None:
                infos["final_obs"][lane] = received(self.space, last, self.library)
        return listed(infos) if self.library == "native" else infos

    @rule(seed=st.none() | SEEDS)
    def reset(self, seed: int | None) -> None:
        self.same(lambda env: env.reset(seed=seed))

    @rule(seeds=st.lists(st.none() | SEEDS, min_size=3, max_size=3))
    def reset_with_a_seed_a_lane(self, seeds: list[int | None]) -> None:
        self.same(lambda env: env.reset(seed=seeds[: self.lanes]))

    @rule(length=st.integers(1, 4), fault=st.sampled_from([0, 0, 0, 2]))
    def reset_to_be_short(self, length: int, fault: int) -> None:
        self.same(lambda env: env.reset(options={"length": length, "fault": fault}))

    @precondition(lambda self: self.mode is AutoresetMode.DISABLED)
    @rule(
        mask=st.lists(st.booleans(), min_size=3, max_size=3),
        seeds=st.none() | SEEDS | st.lists(st.none() | SEEDS, min_size=3, max_size=3),
        length=st.none() | st.integers(1, 4),
    )
    def reset_some(self, mask: list[bool], seeds: Any, length: int | None) -> None:
        given = seeds[: self.lanes] if isinstance(seeds, list) else seeds
        options = {} if length is None else {"length": length}

        def call(env: Any) -> Any:
            lanes = np.array(mask[: self.lanes])
            return env.reset(seed=given, options={**options, "reset_mask": lanes})

        self.same(call)

    @rule(seed=SEEDS)
    def step(self, seed: int) -> None:
        self.local.action_space.seed(seed)
        actions = self.local.action_space.sample()
        self.same(lambda env: env.step(deepcopy(actions)))

    @rule()
    def steps(self) -> None:
        for seed in range(5):
            self.step(seed)

    @rule(wrong=st.sampled_from([object(), 1j, {"no key": 1}, [None] * 9, 0]))
    def bad_actions(self, wrong: Any) -> None:
        with pytest.raises(InvalidValueError) as caught:
            self.remote.step(wrong)
        assert caught.value.path.startswith("action")

    @rule(seeds=st.lists(SEEDS, min_size=4, max_size=5))
    def bad_seeds(self, seeds: list[int]) -> None:
        with pytest.raises(InvalidValueError, match="seed"):
            self.remote.reset(seed=seeds)

    @rule()
    def render(self) -> None:
        assert identical(as_numpy(self.remote.render()), self.local.render())

    @rule(order=st.permutations(range(3)))
    def render_some(self, order: list[int]) -> None:
        lanes = [lane for lane in order[:2] if lane < self.lanes]
        if lanes:
            frames = self.local.render()
            expected = tuple(frames[lane] for lane in lanes)
            assert identical(as_numpy(self.remote.render(lanes)), expected)

    @rule(lanes=st.sampled_from([[0, 0], [3], [-1]]))
    def bad_lanes(self, lanes: list[int]) -> None:
        with pytest.raises(InvalidValueError, match="lanes"):
            self.remote.render(lanes)

    @rule(seed=SEEDS)
    def reconnect(self, seed: int) -> None:
        self.remote.close()
        self.connect()
        self.reset(seed)

    @invariant()
    def observations_stay(self) -> None:
        for got, want in self.kept:
            assert identical(as_numpy(got), want)

    def teardown(self) -> None:
        self.opened.close()


class NativeMachine(RemoteVectorMachine):
    library = "native"


class TorchMachine(RemoteVectorMachine):
    library = "torch"


class JaxMachine(RemoteVectorMachine):
    library = "jax-x64"


# Each plays twenty calls against a server.
EXAMPLES = settings.default.max_examples // (1 if LONG else 2)
MACHINES = {
    RemoteVectorMachine: EXAMPLES,
    NativeMachine: EXAMPLES // 4,
    TorchMachine: EXAMPLES // 4,
    JaxMachine: EXAMPLES // 4,
}


@pytest.mark.parametrize("machine", MACHINES, ids=lambda machine: machine.library)
@pytest.mark.draws
def test_a_remote_vector_is_the_local_one(machine: type[RemoteVectorMachine]) -> None:
    if not installed(machine.library):
        pytest.skip(f"{machine.library} is not installed")
    often = settings(max_examples=MACHINES[machine], stateful_step_count=20)
    run_state_machine_as_test(machine, settings=often)


@pytest.mark.parametrize("machine_type", MACHINES, ids=lambda machine: machine.library)
def test_every_space_and_mode(machine_type: type[RemoteVectorMachine]) -> None:
    """What the machine draws at random, each once."""
    if not installed(machine_type.library):
        pytest.skip(f"{machine_type.library} is not installed")
    for mode in AutoresetMode:
        for observation_space in OBSERVATIONS:
            machine = machine_type()
            machine.serve(observation_space, ACTIONS[0], mode, 2, 7, True)
            machine.reset_to_be_short(2, 0)
            machine.steps()
            machine.teardown()
