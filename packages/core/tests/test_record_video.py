from __future__ import annotations

import math
import os
import re
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.record import RecordingWarning, VideoRecorder, wrap
from rlmesh.tensor import Tensor

np = pytest.importorskip("numpy")
av = pytest.importorskip("av")

COLOURS = [(200, 30, 30), (30, 200, 30), (30, 30, 200), (220, 220, 220), (10, 10, 10)]


class Painter:
    """Shows one colour a step: in what it renders, and in what it observes."""

    metadata = {"render_fps": 12}  # noqa: RUF012 - as an environment of Gymnasium has it

    def __init__(self, steps: int = 4, size: tuple[int, int] = (32, 48)) -> None:
        self.steps, self.size = steps, size
        camera = spaces.Box(0, 255, (*size, 3), "uint8")
        self.observation_space = spaces.Dict({"camera": camera, "speed": spaces.Box(0, 1, (2,))})
        self.action_space = spaces.Discrete(2)
        self.time = 0

    def render(self) -> Any:
        return np.broadcast_to(np.uint8(COLOURS[self.time % 5]), (*self.size, 3)).copy()

    def _observation(self) -> Any:
        flipped = np.ascontiguousarray(self.render()[..., ::-1])
        return {"camera": flipped, "speed": np.zeros(2, "float32")}

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, Any]:
        self.time = 0
        return self._observation(), {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, Any]:
        self.time += 1
        return self._observation(), 1.0, self.time >= self.steps, False, {}

    def close(self) -> None:
        pass


def play(env: Any, seeds: tuple[int | None, ...]) -> None:
    for seed in seeds:
        env.reset(seed=seed)
        done = False
        while not done:
            _, _, terminated, truncated, _ = env.step(0)
            done = terminated or truncated
    env.close()


def frames_of(path: Path) -> list[Any]:
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def colours_of(frames: list[Any]) -> list[tuple[int, ...]]:
    return [tuple(int(x) for x in frame.mean(axis=(0, 1))) for frame in frames]


def close_to(found: list[tuple[int, ...]], wanted: list[tuple[int, ...]]) -> bool:
    return len(found) == len(wanted) and bool(
        (np.abs(np.array(found) - np.array(wanted)) <= 12).all()
    )


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_an_episode_is_a_film_of_its_frames(tmp_path: Path) -> None:
    play(wrap(Painter(), VideoRecorder(tmp_path)), (7, None))
    assert names(tmp_path) == ["episode_0_seed_7.mp4", "episode_1.mp4"]
    for name in names(tmp_path):
        frames = frames_of(tmp_path / name)
        assert frames[0].shape == (32, 48, 3)
        assert close_to(colours_of(frames), COLOURS)
    with av.open(str(tmp_path / "episode_1.mp4")) as film:
        assert film.streams.video[0].average_rate == 12


@pytest.mark.parametrize("source", ["observation", "camera", "['camera']"])
def test_an_image_of_the_observation_can_be_filmed(tmp_path: Path, source: str) -> None:
    play(wrap(Painter(), VideoRecorder(tmp_path, source=source, fps=29.97)), (0,))
    frames = frames_of(tmp_path / "episode_0_seed_0.mp4")
    assert close_to(colours_of(frames), [colour[::-1] for colour in COLOURS])


@pytest.mark.parametrize(
    ("said", "given", "rate"),
    [
        (np.int64(24), None, 24),
        (np.float32(12.5), None, 12.5),
        (math.inf, None, 30),
        (12, np.float32(7.5), 7.5),
    ],
)
def test_how_fast_it_plays(tmp_path: Path, said: Any, given: Any, rate: float) -> None:
    env = Painter(steps=1)
    env.metadata = {"render_fps": said}  # type: ignore[misc]
    play(wrap(env, VideoRecorder(tmp_path, fps=given)), (0,))
    with av.open(tmp_path / "episode_0_seed_0.mp4") as film:
        assert film.streams.video[0].average_rate == rate


@pytest.mark.parametrize(
    ("draw", "size"),
    [
        (lambda: np.full((31, 33, 3), 200, "uint8"), (34, 32)),
        (lambda: np.full((32, 48), 200, "uint8"), (48, 32)),
        (lambda: np.full((32, 48, 4), 200, "uint8"), (48, 32)),
        (lambda: np.full((3, 32, 48), 200, "uint8"), (48, 32)),
        (lambda: np.full((32, 48, 1), 200 / 255, "float32"), (48, 32)),
        (lambda: Tensor(bytes([200]) * 32 * 48 * 3, "uint8", (32, 48, 3)), (48, 32)),
    ],
    ids=["odd", "grey", "alpha", "channels first", "floats", "tensor"],
)
def test_every_kind_of_picture(
    tmp_path: Path, draw: Callable[[], Any], size: tuple[int, int]
) -> None:
    env = Painter(steps=1)
    env.render = draw  # type: ignore[method-assign]
    env._observation = dict  # type: ignore[method-assign]
    play(wrap(env, VideoRecorder(tmp_path)), (0,))
    frames = frames_of(tmp_path / "episode_0_seed_0.mp4")
    assert {(f.shape[1], f.shape[0]) for f in frames} == {size}
    assert close_to(colours_of(frames), [(200, 200, 200)] * 2)


def test_a_collecting_mode_gives_each_frame_once(tmp_path: Path) -> None:
    env = Painter(steps=2)
    one = np.zeros((32, 32, 3), "uint8")
    answers = iter([[one], [one, one, one], []])
    env.render = lambda: next(answers)  # type: ignore[method-assign]
    env._observation = dict  # type: ignore[method-assign]
    play(wrap(env, VideoRecorder(tmp_path)), (0,))
    assert len(frames_of(tmp_path / "episode_0_seed_0.mp4")) == 4


def test_a_grid_holds_the_last_picture_of_what_ended_first(tmp_path: Path) -> None:
    class Growing(Painter):
        def reset(self, **kwargs: Any) -> Any:
            self.steps = 1 + kwargs["seed"]
            return super().reset(**kwargs)

    play(wrap(Growing(), VideoRecorder(tmp_path / "run.mp4")), (0, 1, 3))
    assert names(tmp_path) == ["run.mp4"]
    frames = frames_of(tmp_path / "run.mp4")
    assert len(frames) == 5 and frames[0].shape == (64, 96, 3)
    last = frames[-1]
    cells = [last[:32, :48], last[:32, 48:], last[32:, :48], last[32:, 48:]]
    wanted = [COLOURS[1], COLOURS[2], COLOURS[4], (0, 0, 0)]
    assert close_to(colours_of([cell[4:-4, 4:-4] for cell in cells]), wanted)


def test_only_the_episodes_asked_for_are_filmed(tmp_path: Path) -> None:
    play(wrap(Painter(), VideoRecorder(tmp_path, episodes=lambda n: n == 1)), (4, 5, 6))
    assert names(tmp_path) == ["episode_1_seed_5.mp4"]


def test_a_bad_frame_is_left_out_with_a_warning_that_names_the_file(tmp_path: Path) -> None:
    class Faulty(Painter):
        def render(self) -> Any:
            if self.time == 1:
                raise RuntimeError("no display")
            return np.zeros((8, 8, 5), "uint8") if self.time == 2 else super().render()

        def _observation(self) -> Any:
            return {}

    recorder = VideoRecorder(tmp_path)
    with pytest.warns(RecordingWarning, match=r"episode_0_seed_0\.mp4.*RuntimeError: no display"):
        play(wrap(Faulty(), recorder), (0,))
    frames = frames_of(tmp_path / "episode_0_seed_0.mp4")
    assert close_to(colours_of(frames), [COLOURS[0], COLOURS[3], COLOURS[4]])
    assert len(recorder.failures) == 1


def test_an_episode_without_a_frame_has_no_file(tmp_path: Path) -> None:
    env = Painter()
    env.render = lambda: None  # type: ignore[method-assign]
    env._observation = dict  # type: ignore[method-assign]
    with pytest.warns(RecordingWarning, match="render_mode='rgb_array'"):
        play(wrap(env, VideoRecorder(tmp_path)), (0,))
    assert names(tmp_path) == []


def test_an_unfinished_episode_leaves_nothing_and_a_repeated_one_is_the_later(
    tmp_path: Path,
) -> None:
    recorder = VideoRecorder(tmp_path)
    env = wrap(Painter(), recorder)
    env.reset(seed=1)
    env.step(0)
    env._episode = -1  # Its endpoint died: the episode comes again, under its number.
    env._playing = None
    env.reset(seed=1)
    done = False
    while not done:
        done = env.step(0)[2]
    env.reset(seed=2)
    env.step(0)
    recorder.close()
    assert names(tmp_path) == ["episode_0_seed_1.mp4"]
    assert len(frames_of(tmp_path / "episode_0_seed_1.mp4")) == 5


def test_what_cannot_be_a_recorder_is_refused_at_once(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="codec='no_such'"):
        VideoRecorder(tmp_path, codec="no_such")
    for fps in (0, math.nan, math.inf):
        with pytest.raises(ValueError, match=f"fps above 0, got {fps}"):
            VideoRecorder(tmp_path, fps=fps)
    recorder = VideoRecorder(tmp_path, source="lidar")
    with pytest.warns(RecordingWarning, match=r"source='lidar' .* \['camera'\]"):
        play(wrap(Painter(), recorder), (0,))


def test_films_of_an_earlier_run_are_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.mp4").touch()  # Nothing of ours.
    play(wrap(Painter(), VideoRecorder(tmp_path)), (3, 4))
    before = {path: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(FileExistsError, match=r"episode_0_seed_3\.mp4.*resume=True"):
        VideoRecorder(tmp_path)
    assert {path: path.read_bytes() for path in tmp_path.iterdir()} == before
    play(wrap(Painter(steps=2), VideoRecorder(tmp_path, resume=True)), (3, 5))
    assert len(frames_of(tmp_path / "episode_0_seed_3.mp4")) == 3
    assert (tmp_path / "episode_1_seed_4.mp4") in before and len(names(tmp_path)) == 4


@pytest.mark.parametrize("left", ["run.mp4", "run.mp4.episodes/episode_0.mp4"])
def test_a_grid_of_an_earlier_run_is_not_replaced(tmp_path: Path, left: str) -> None:
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).touch()
    with pytest.raises(FileExistsError, match=rf"{re.escape(left)}.*resume=True"):
        VideoRecorder(tmp_path / "run.mp4")
    play(wrap(Painter(), VideoRecorder(tmp_path / "run.mp4", resume=True)), (1,))
    assert len(frames_of(tmp_path / "run.mp4")) == 5
    assert (tmp_path / left).exists(), "a film that the grid does not show stays"
    assert len([path for path in tmp_path.rglob("*.mp4") if path.is_file()]) <= 2


def test_films_that_a_grid_does_not_show_stay(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("grid", "video"):
        monkeypatch.setattr(f"rlmesh._recording.{module}.MAX_VIDEOS", 2)
    play(wrap(Painter(), VideoRecorder(tmp_path / "run.mp4")), (1, 2, 3))
    assert names(tmp_path / "run.mp4.episodes") == ["episode_2_seed_3.mp4"]


SCRIPT = """
import os, signal, sys
sys.path.insert(0, {folder!r})
from test_record_video import Painter, play, VideoRecorder, wrap
folder = sys.argv[1]
{body}
"""


def run_script(folder: Path, body: str, **options: Any) -> subprocess.CompletedProcess[str]:
    code = SCRIPT.format(folder=str(Path(__file__).parent), body=textwrap.dedent(body))
    command = [sys.executable, "-W", "always", "-c", code, str(folder)]
    return subprocess.run(
        command, capture_output=True, text=True, timeout=90, check=False, **options
    )


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGKILL")
def test_what_has_ended_survives_a_kill(tmp_path: Path) -> None:
    body = """
    env = wrap(Painter(), VideoRecorder(folder))
    for seed in (0, 1):
        env.reset(seed=seed)
        while not env.step(0)[2]:
            pass
    env.reset(seed=2)
    while not os.path.exists(os.path.join(folder, "episode_1_seed_1.mp4")):
        env.render()
    os.kill(os.getpid(), signal.SIGKILL)
    """
    done = run_script(tmp_path, body)
    assert done.returncode == -signal.SIGKILL, done.stderr
    seen = [name for name in names(tmp_path) if not name.startswith(".")]
    assert seen == ["episode_0_seed_0.mp4", "episode_1_seed_1.mp4"]
    assert all(len(frames_of(tmp_path / name)) == 5 for name in seen)


def test_who_forgets_to_close_has_what_ended(tmp_path: Path) -> None:
    body = """
    env = wrap(Painter(), VideoRecorder(folder))
    env.reset(seed=0)
    while not env.step(0)[2]:
        pass
    """
    done = run_script(tmp_path, body)
    assert done.returncode == 0, done.stderr
    assert len(frames_of(tmp_path / "episode_0_seed_0.mp4")) == 5


@pytest.mark.filterwarnings("ignore:os.fork")
@pytest.mark.skipif(sys.platform == "win32", reason="no limits on files")
def test_a_full_disk_is_a_warning(tmp_path: Path) -> None:
    body = """
    import numpy as np
    class Noise(Painter):
        def render(self):
            return np.random.default_rng(self.time).integers(0, 256, (64, 64, 3), "uint8")
        def _observation(self):
            return {}
    play(wrap(Noise(30), VideoRecorder(folder)), (0,))
    print("the run has ended")
    """

    def limit() -> None:
        import resource  # Not on Windows.

        resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))

    done = run_script(tmp_path, body, preexec_fn=limit)
    assert done.stdout == "the run has ended\n", done.stderr
    assert "RecordingWarning" in done.stderr and "episode_0_seed_0.mp4" in done.stderr
    assert names(tmp_path) == []
