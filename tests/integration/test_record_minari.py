"""Steps that are recorded for Minari come back through it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh._recording.minari import space_json
from rlmesh.errors import SpaceError
from rlmesh.record import TrajectoryRecorder, wrap
from tests.integration.trajectories import (
    NESTED,
    Told,
    actions_of,
    check_minari,
    nested_env,
    play,
)
from tests.property.sameness import identical
from tests.property.strategies import spaces_and_values, spaces_of, values_of

pytest.importorskip("pyarrow")


few = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True)
def transport() -> None:
    """None: nothing here is remote."""


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_minari_reads_its_dataset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    minari = pytest.importorskip("minari")
    env, actions = nested_env(), actions_of()
    for resume, seeds in ((False, (1, None)), (True, (9,))):
        recorder = TrajectoryRecorder(tmp_path / "demo-v0", format="minari", resume=resume)
        play(wrap(env, recorder), actions, seeds)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path))
    for dataset in (
        minari.load_dataset("demo-v0"),
        minari.MinariDataset(tmp_path / "demo-v0" / "data"),
    ):
        assert (dataset.total_episodes, dataset.total_steps) == (3, 15)
        assert spaces.from_gymnasium(dataset.observation_space)["camera"] == NESTED["camera"]
        for episode in dataset.iterate_episodes():
            check_minari(episode, env, actions)
    assert [m.get("seed") for m in dataset.storage.get_episode_metadata(range(3))] == [1, None, 9]


def is_taken(space: Any) -> bool:
    try:
        space_json(space, "")
    except SpaceError:
        return False
    return True


TAKEN = spaces_and_values(most=4, within=spaces_of().filter(is_taken))


@settings(few, max_examples=20)
@given(data=st.data())
def test_what_minari_takes_comes_back_from_it(data: Any) -> None:
    minari = pytest.importorskip("minari")
    space, observations = data.draw(TAKEN)
    actions = data.draw(st.lists(values_of(space, False), min_size=3, max_size=3))
    observations = [*observations, *actions, actions[0]][:4]
    with tempfile.TemporaryDirectory() as folder:
        recorder = TrajectoryRecorder(Path(folder, "any-v0"), format="minari")
        play(wrap(Told(space, observations, space), recorder), actions)
        (episode,) = minari.MinariDataset(Path(folder, "any-v0", "data")).iterate_episodes()
    check_nested(space, episode.observations, observations)
    check_nested(space, episode.actions, actions)


def check_nested(space: Any, found: Any, values: list[Any]) -> None:
    if isinstance(space, (spaces.Dict, spaces.Tuple)):
        for key, child in space.children:
            check_nested(child, found[key], [value[key] for value in values])
    elif isinstance(space, spaces.Text):
        assert list(found) == values
    else:
        wanted = np.stack([np.asarray(value, dtype=space.dtype.name) for value in values])
        assert identical(found, wanted)


def test_minari_keeps_images_as_they_are(tmp_path: Path) -> None:
    minari = pytest.importorskip("minari")
    noise = np.random.default_rng(0).integers(0, 256, (4, 40, 50, 3), "uint8")
    env = Told(spaces.Box(0, 255, (40, 50, 3), "uint8"), list(noise))
    play(wrap(env, TrajectoryRecorder(tmp_path / "noise-v1", format="minari")), [0, 1, 2])
    (episode,) = minari.MinariDataset(tmp_path / "noise-v1" / "data").iterate_episodes()
    assert np.array_equal(episode.observations, noise) and episode.actions.tolist() == [0, 1, 2]


@pytest.mark.parametrize(
    ("space", "path"),
    [
        (spaces.Sequence(spaces.Discrete(2)), "observation: "),
        (spaces.Discrete(2**63, start=-(2**63)), "observation: expected a Discrete of int64"),
        (spaces.Discrete(2**63, dtype="uint64"), "observation: expected a Discrete of int64"),
        (spaces.Dict({"a": spaces.Tuple([spaces.Dict({})])}), r"observation\['a'\]\[0\]: "),
        (spaces.Dict({"b": spaces.Box(0, 1, (0,))}), r"observation\['b'\]: "),
        (spaces.Dict({1: spaces.Discrete(2)}), "observation: expected keys that are strings"),
    ],
)
def test_what_minari_lacks_is_refused_by_path(tmp_path: Path, space: Any, path: str) -> None:
    env = wrap(Told(space, [()]), TrajectoryRecorder(tmp_path, format="minari"))
    with pytest.raises(SpaceError, match=f"^{path}.*format='parquet' takes any space"):
        env.reset()
