"""Steps as data come back as they were: any space in Parquet, Minari's own through Minari."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rlmesh import spaces
from rlmesh.numpy import BACKEND
from rlmesh.record import RecordingWarning, TrajectoryRecorder, read_trajectories, wrap
from tests.conformance.native_values import values_equal
from tests.integration.trajectories import (
    Told,
    actions_of,
    check_minari,
    nested_env,
    play,
    told_and_read,
)
from tests.property.sameness import identical
from tests.property.strategies import spaces_and_values, spaces_of, values_of
from tests.size import LONG

pytest.importorskip("pyarrow")
import pyarrow.parquet as pq

few = settings(
    max_examples=60 if LONG else 30, deadline=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(autouse=True)
def transport() -> None:
    """None: nothing here is remote."""


@pytest.mark.parametrize("packed", [4096, 2], ids=["lists", "bytes"])
@few
@given(data=st.data())
def test_any_space_comes_back_from_parquet(packed: int, data: Any) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlmesh._recording.columns.PACKED_BYTES", packed)
        check_any_space(data)


OBSERVED = spaces_and_values(most=4).filter(lambda drawn: len(drawn[1]) > 1)


def check_any_space(data: Any) -> None:
    space, observations = data.draw(OBSERVED)
    action_space = data.draw(spaces_of())
    count = len(observations) - 1
    actions = data.draw(st.lists(values_of(action_space, False), min_size=count, max_size=count))
    episode = told_and_read(space, observations, action_space, actions)
    assert len(episode.observations) == len(observations)
    assert all(map(values_equal, episode.observations, observations))
    assert all(map(values_equal, episode.actions, actions)) and len(episode.actions) == count
    assert episode.rewards == tuple((t + 1) / 7 for t in range(count))
    assert (episode.episode, episode.seed) == (0, 5)
    assert (episode.terminated, episode.truncated) == (True, False)


def test_the_columns_are_called_and_typed_as_documented(tmp_path: Path) -> None:
    env, actions = nested_env(), actions_of()
    play(wrap(env, TrajectoryRecorder(tmp_path)), actions, (1, None))
    table = pq.read_table(tmp_path)
    assert table["episode"].to_pylist() == [0] * 5 + [1] * 5
    assert table["seed"].to_pylist() == [1] * 5 + [None] * 5
    camera = table.schema.field("observation['camera']")
    assert str(camera.type) == "fixed_size_list<element: uint8>[72]"
    one = pq.ParquetFile(tmp_path / "episode_0_seed_1.parquet")
    field = one.schema_arrow.field("observation['camera']")
    assert json.loads(field.metadata[b"shape"]) == [4, 6, 3]
    found = np.stack(table["observation['camera']"].to_numpy()).reshape(-1, 4, 6, 3)
    assert np.array_equal(found, [o["camera"] for o in env.observations[:-1]] * 2)
    arm = np.stack(table["action['arm'][0]"].to_numpy()).reshape(-1, 2, 3)
    assert arm.dtype == "float16" and np.array_equal(arm, [a["arm"][0] for a in actions] * 2)
    assert table["observation['words']"].to_pylist()[:5] == [
        o["words"] for o in env.observations[:-1]
    ]
    final = table["final_observation['heat']"].to_pylist()
    assert final == [*[None] * 4, float(env.observations[-1]["heat"])] * 2
    assert json.loads(table["info"][1].as_py()) == {
        "t": 2,
        "x": float(np.float32(2) / 3),
        "bits": repr(b"\x00\xff"),
        "nan": "nan",
        "deep": {"a": [2]},
    }


def test_an_image_is_its_bytes(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (4, 40, 50, 3), "uint8")
    env = Told(spaces.Tuple([spaces.Box(0, 255, (40, 50, 3), "uint8")]), [(x,) for x in noise])
    play(wrap(env, TrajectoryRecorder(tmp_path)), [0, 1, 2])
    column = pq.read_table(tmp_path)["observation[0]"]
    assert column.type.byte_width == 6000
    assert [cell.as_py() for cell in column] == [x.tobytes() for x in noise[:-1]]
    (episode,) = read_trajectories(tmp_path, backend=BACKEND)
    assert np.array_equal([o[0] for o in episode.observations], noise)


def test_pandas_reads_images_of_a_sequence(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    image = np.random.default_rng(0).integers(0, 256, (40, 50, 3), "uint8")
    space = spaces.Sequence(spaces.Box(0, 255, (40, 50, 3), "uint8"))
    play(wrap(Told(space, [(image,), (image, image), ()]), TrajectoryRecorder(tmp_path)), [0, 1])
    images = pandas.read_parquet(tmp_path)["observation[:]"]
    assert [len(cell) for cell in images] == [1, 2]
    assert np.array_equal(images[1][1].reshape(40, 50, 3), image)
    (episode,) = read_trajectories(tmp_path, backend=BACKEND)
    assert identical(episode.observations[1], (image, image)) and episode.observations[2] == ()


def test_pandas_reads_the_folder(tmp_path: Path) -> None:
    pandas = pytest.importorskip("pandas")
    env = nested_env()
    play(wrap(env, TrajectoryRecorder(tmp_path)), actions_of(), (1, 2))
    frame = pandas.read_parquet(tmp_path)
    assert frame.groupby("episode")["reward"].sum().tolist() == [pytest.approx(15 / 7)] * 2
    assert np.array_equal(
        frame["observation['keys']"][2].reshape(2, 2), env.observations[2]["keys"]
    )


def test_values_and_infos_come_back_in_a_backend(tmp_path: Path) -> None:
    env, actions = nested_env(), actions_of()
    play(wrap(env, TrajectoryRecorder(tmp_path)), actions)
    (episode,) = read_trajectories(tmp_path, backend=BACKEND)
    assert all(map(identical, episode.infos, env.infos[1:]))
    assert identical(episode.reset_info, env.infos[0])
    assert identical(episode.observations[2]["camera"], env.observations[2]["camera"])
    assert identical(episode.actions[4]["arm"][0], actions[4]["arm"][0])


@pytest.mark.filterwarnings("ignore:info:rlmesh._wire.dynamic.InexactValueWarning")
@pytest.mark.parametrize(
    ("info", "text"),
    [
        ({"at": np.datetime64("2020-01-01")}, {"at": repr(np.datetime64("2020-01-01"))}),
        (
            {"at": np.array(["2020-01-01"], "M8[D]")},
            {"at": repr(np.array(["2020-01-01"], "M8[D]"))},
        ),
        ({"\ud800": 1}, {"?": 1}),
    ],
)
def test_an_info_that_json_lacks_costs_no_recording(tmp_path: Path, info: Any, text: Any) -> None:
    env = Told(spaces.Discrete(2), [0, 1])
    env.infos[1] = info
    recorder = TrajectoryRecorder(tmp_path)
    play(wrap(env, recorder), [0])
    assert not recorder.failures
    assert json.loads(pq.read_table(tmp_path)["info"][0].as_py()) == text


def test_a_large_episode_is_written_while_it_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rlmesh._recording.parquet.MAX_BYTES", 400)
    env = nested_env(20)
    play(wrap(env, TrajectoryRecorder(tmp_path)), actions_of(20))
    assert pq.ParquetFile(tmp_path / "episode_0_seed_5.parquet").num_row_groups > 3
    (episode,) = read_trajectories(tmp_path, backend=BACKEND)
    heats = [o["heat"] for o in env.observations]
    assert [o["heat"] for o in episode.observations] == heats and len(episode.infos) == 20


def test_what_waits_is_bounded_where_observations_are_small(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row takes half a kilobyte of memory, whatever is in it."""
    monkeypatch.setattr("rlmesh._recording.parquet.MAX_BYTES", 25_600)
    env = Told(spaces.Discrete(3), [1] * 201)
    play(wrap(env, TrajectoryRecorder(tmp_path)), [0] * 200)
    assert pq.ParquetFile(tmp_path / "episode_0_seed_5.parquet").num_row_groups > 3


@pytest.mark.filterwarnings("ignore:os.fork")
@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files")
@pytest.mark.parametrize("form", ["parquet", "minari"])
def test_a_full_disk_is_a_warning(tmp_path: Path, form: str) -> None:
    def limit() -> None:
        import resource  # Not on Windows.

        resource.setrlimit(resource.RLIMIT_FSIZE, (15_000, 15_000))

    # No cut-off bytecode may stay behind: -B.
    command = [sys.executable, "-B", "-W", "always", "-c", FULL, str(tmp_path / "run"), form]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=False, preexec_fn=limit
    )
    assert done.stdout == "the run has ended\n", done.stderr
    assert f"RecordingWarning: {tmp_path}/run" in done.stderr
    assert "not recorded: OSError" in done.stderr
    left = [path for path in tmp_path.rglob("*") if path.suffix in (".parquet", ".part")]
    assert left == []


FULL = """
import sys
from tests.integration.test_record_trajectories import *
folder, form = sys.argv[1:]
noise = np.random.default_rng(0).integers(0, 256, (41, 16, 16, 3), "uint8")
env = Told(spaces.Box(0, 255, (16, 16, 3), "uint8"), list(noise))
play(wrap(env, TrajectoryRecorder(folder, format=form)), [0] * 40)
print("the run has ended")
"""


def test_what_cannot_be_a_recorder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="got 'csv'"):
        TrajectoryRecorder(tmp_path, format="csv")
    with pytest.raises(ValueError, match=r"got 'a\.b'"):
        TrajectoryRecorder(tmp_path / "a.b", format="minari")
    play(wrap(nested_env(), TrajectoryRecorder(tmp_path)), actions_of())
    with pytest.raises(FileExistsError, match=r"episode_0_seed_5\.parquet.*resume=True"):
        TrajectoryRecorder(tmp_path)


def test_a_value_that_is_none_of_its_space_is_a_warning_and_the_run_goes_on(tmp_path: Path) -> None:
    env = Told(spaces.Box(0, 1, (2,)), [np.zeros(2), np.zeros(3), np.ones(2)])
    recorder = TrajectoryRecorder(tmp_path)
    told = wrap(env, recorder)
    with pytest.warns(RecordingWarning, match=r"episode_0_seed_1\.parquet.*shape \(3,\)"):
        play(told, [0, 0], (1,))
    assert os.listdir(tmp_path) == [] and len(recorder.failures) == 1


def test_an_episode_without_a_step_or_an_end_is_not_written(tmp_path: Path) -> None:
    recorder = TrajectoryRecorder(tmp_path)
    env = wrap(nested_env(), recorder)
    env.reset(seed=1)
    env.reset(seed=2)
    env.step(actions_of()[0])
    env.reset(seed=3)
    env.step(actions_of()[0])
    recorder.close()
    assert os.listdir(tmp_path) == ["episode_1_seed_2.parquet"]
    (episode,) = read_trajectories(tmp_path)
    assert len(episode.observations) == 2 and not (episode.terminated or episode.truncated)


FORGETS = """
import os, sys
from rlmesh import spaces
from rlmesh.record import TrajectoryRecorder, wrap
class Short:
    observation_space = action_space = spaces.Discrete(2)
    def reset(self, *, seed=None, options=None):
        return 0, {}
    def step(self, action):
        return 1, 1.0, True, False, {}
folder, format, obstacle = sys.argv[1:]
env = wrap(Short(), TrajectoryRecorder(folder, format=format))
if obstacle:
    os.mkdir(os.path.join(folder, obstacle))
for seed in (1, 2):
    env.reset(seed=seed)
    env.step(0)
"""


@pytest.mark.parametrize("form", ["parquet", "minari"])
def test_who_forgets_to_close_has_what_ended(tmp_path: Path, form: str) -> None:
    """The first episode was lost: its library was first imported at the end of the process."""
    folder = tmp_path / "run"
    command = [sys.executable, "-c", FORGETS, str(folder), form, ""]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    assert "RecordingWarning" not in done.stderr
    kept = folder / "data" if form == "minari" else folder
    wanted = ["0", "1"] if form == "minari" else ["episode_0_seed_1", "episode_1_seed_2"]
    assert [path.stem for path in sorted(kept.iterdir())][:2] == wanted


def test_what_is_lost_at_the_end_of_a_process_is_told(tmp_path: Path) -> None:
    obstacle = "episode_1_seed_2.parquet"
    command = [sys.executable, "-c", FORGETS, str(tmp_path / "run"), "parquet", obstacle]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=True)
    assert "episode_1_seed_2.parquet: not recorded" in done.stderr


KILLED = """
import os, signal, sys
from pathlib import Path
from tests.integration.test_record_trajectories import *
folder, format = sys.argv[1:]
env = wrap(nested_env(), TrajectoryRecorder(folder, format=format))
for seed in (1, 2):
    env.reset(seed=seed)
    for action in actions_of():
        env.step(action)
env.reset(seed=3)
env.step(actions_of()[0])
wanted = Path(folder, "data/1" if format == "minari" else "episode_1_seed_2.parquet")
while not wanted.exists() or (format == "minari" and '"total_episodes": 2' not in
                              Path(folder, "data/metadata.json").read_text()):
    pass
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
@pytest.mark.parametrize("form", ["parquet", "minari"])
def test_what_has_ended_survives_a_kill(tmp_path: Path, form: str) -> None:
    folder = tmp_path / "run"
    command = [sys.executable, "-c", KILLED, str(folder), form]
    done = subprocess.run(command, capture_output=True, text=True, timeout=90, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr
    if form == "parquet":
        assert [e.seed for e in read_trajectories(folder)] == [1, 2]
        assert len(pq.read_table(folder)) == 10
        return
    dataset = pytest.importorskip("minari").MinariDataset(folder / "data")
    assert dataset.total_episodes == 2
    for episode in dataset.iterate_episodes():
        check_minari(episode, nested_env(), actions_of())
