"""The lines by which an evaluation shows how far it is."""

from __future__ import annotations

import asyncio
import io
import re
import sys
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import rlmesh
from rlmesh import errors
from rlmesh._evaluation import progress_report
from rlmesh.results import EpisodeEnd, EpisodeResult
from rlmesh.spaces import Discrete
from rlmesh.stopping import IntervalWidth

LINE = re.compile(
    r"evaluating: (\d+)/(\d+) episodes, (\d+) steps, \d+/s(, reward [\d.]+)?(, success \d+%)?"
    r", 0:\d\d:\d\d elapsed(, about 0:\d\d:\d\d left)?"
)


class Walk:
    """Three steps an episode; `gate` holds the second one back."""

    observation_space = Discrete(9)
    action_space = Discrete(2)

    def __init__(self) -> None:
        self.gate: threading.Event | None = None
        self.count = 0

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.count = 0
        return 0, {}

    def step(self, action: Any) -> Any:
        self.count += 1
        if self.count == 2 and self.gate is not None:
            assert self.gate.wait(30)
        return self.count, 1.0, self.count == 3, False, {"is_success": True}

    def close(self) -> None: ...


def test_a_function_gets_the_first_line_and_the_last() -> None:
    lines: list[str] = []
    rlmesh.evaluate(lambda _: 1, Walk(), seeds=range(4), progress=lines.append)
    first, last = [LINE.fullmatch(line) for line in lines]
    assert first and first.group(1, 2, 3, 4) == ("0", "4", "0", None)
    assert last and last.group(1, 2, 3, 4, 5, 6) == (
        *("4", "4", "12", ", reward 3", ", success 100%"),
        None,
    )


def test_lines_come_while_a_step_takes_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress_report, "LINE_SECONDS", 0.01)
    env = Walk()
    env.gate = threading.Event()
    lines: list[str] = []
    during: list[str] = []

    def write(line: str) -> None:
        lines.append(line)
        if env.count == 2 and not env.gate.is_set():  # type: ignore[union-attr]
            during.append(line)
        if len(during) == 2:
            env.gate.set()  # type: ignore[union-attr]

    rlmesh.Model(lambda _: 1).run(env, seeds=[0, 1], progress=write)
    assert all(LINE.fullmatch(line) for line in lines), lines
    assert "0/2 episodes, 1 steps" in during[1], "steps of an episode under way count"
    assert any(thread.name == "rlmesh-progress" for thread in threading.enumerate()) is False


def test_off_a_terminal_there_are_lines_on_stderr(capsys: pytest.CaptureFixture[str]) -> None:
    rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0], progress=True)
    output = capsys.readouterr()
    assert output.out == "" and len(output.err.splitlines()) == 2
    rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0])
    assert capsys.readouterr().err == ""


def test_auto_shows_nothing_off_a_terminal_and_a_notebook(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0], progress="auto")
    assert capsys.readouterr().err == ""
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0], progress="auto")
    assert "1/1 episodes" in capsys.readouterr().err


def test_on_a_terminal_one_line_is_drawn_again(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0], progress=True)
    text = terminal.getvalue()
    assert text.count("\n") == 1 and text.endswith("\n") and text.count("\revaluating: ") == 2


def test_in_a_notebook_one_output_is_updated(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, Any]] = []

    def display(data: dict[str, str], *, raw: bool, display_id: bool) -> Any:
        assert raw and display_id
        shown.append(("new", data))
        return SimpleNamespace(update=lambda data, raw: shown.append(("update", data)))

    shell = SimpleNamespace(kernel=object())
    module = SimpleNamespace(get_ipython=lambda: shell, display=SimpleNamespace(display=display))
    monkeypatch.setitem(sys.modules, "IPython", module)
    rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0], progress=True)
    assert [kind for kind, _ in shown] == ["new", "update"]
    assert all(LINE.fullmatch(data["text/plain"]) for _, data in shown)
    bars = [data["text/html"] for _, data in shown]
    assert [bar.partition("</progress>")[0] for bar in bars] == [
        '<progress value="0.0000">',
        '<progress value="1.0000">',
    ]
    for bar, (_, data) in zip(bars, shown):
        assert bar.endswith(f"</progress> <code>{data['text/plain']}</code>")
    shown.clear()
    rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0], progress="auto")
    assert [kind for kind, _ in shown] == ["new", "update"]


class Stop:
    """Interrupts the run after two episodes."""

    def on_episode_end(self, event: Any) -> None:
        if event.episode == 1:
            raise KeyboardInterrupt


def test_a_run_that_was_stopped_takes_no_more_time() -> None:
    lines: list[str] = []
    with pytest.raises(KeyboardInterrupt):
        rlmesh.evaluate(always, Walk(), seeds=range(9), progress=lines.append, hooks=Stop())
    until = IntervalWidth(0.9)
    run = rlmesh.evaluate(always, Walk(), seeds=range(9), progress=lines.append, until=until)
    assert run.stopping is not None and len(run.episodes) < 9
    assert re.search(r"2/9 episodes.* elapsed$", lines[1]), "not: about 0:00:00 left"
    assert re.search(rf"{len(run.episodes)}/9 episodes.* elapsed$", lines[3])


def always(observation: Any) -> int:
    return 1


def test_finished_episodes_of_a_journal_count_but_not_their_steps(tmp_path: Path) -> None:
    path = tmp_path / "run.journal"
    with pytest.raises(KeyboardInterrupt):
        rlmesh.evaluate(always, Walk(), seeds=[0, 1, 2], journal=path, hooks=Stop())
    lines: list[str] = []
    rlmesh.evaluate(
        always, Walk(), seeds=[0, 1, 2], journal=path, resume=True, progress=lines.append
    )
    assert "2/3 episodes, 0 steps, 0/s, reward 3" in lines[0]
    assert "3/3 episodes, 3 steps" in lines[1]


def test_a_fault_of_the_function_does_not_end_the_run(caplog: pytest.LogCaptureFixture) -> None:
    def write(line: str) -> None:
        raise BrokenPipeError("no reader")

    result = rlmesh.evaluate(lambda _: 1, Walk(), seeds=[0], progress=write)
    assert len(result.episodes) == 1 and "progress is not shown any more" in caplog.text


def test_the_last_line_comes_after_a_failure_too() -> None:
    lines: list[str] = []

    def fail(_: Any) -> Any:
        raise LookupError("no weights")

    with pytest.raises(errors.RunError):
        rlmesh.evaluate(fail, Walk(), seeds=[0, 1], progress=lines.append)
    assert len(lines) == 2 and "0/2 episodes" in lines[1]
    with pytest.raises(
        TypeError, match="progress='yes'; expected True, False, 'auto' or a function"
    ):
        rlmesh.evaluate(fail, Walk(), progress="yes")


def test_time_left_is_that_of_the_episodes_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    lines: list[str] = []

    class Lines:
        seconds = 60.0

        def show(self, line: str, share: float | None, is_last: bool) -> None:
            lines.append(line)

    def episode(index: int) -> EpisodeResult:
        return EpisodeResult(index, index, 1.0, 5, EpisodeEnd.TERMINATED)

    clock = SimpleNamespace(monotonic=lambda: now[0])
    monkeypatch.setattr(progress_report, "time", clock)
    report = progress_report.ProgressReport(Lines())
    report.begin(10, map(episode, range(4)))
    now[0] += 3600.0
    for index in (4, 5):
        report.ended(episode(index))
    report._show()
    report.stop()
    assert lines[-2].endswith("reward 1, 1:00:00 elapsed, about 2:00:00 left")
    assert lines[-1].endswith("reward 1, 1:00:00 elapsed")


@pytest.mark.parametrize("kind", ["local", "served", "suite"])
def test_a_run_inside_a_running_event_loop(kind: str) -> None:
    """A notebook's cell runs inside the event loop of its kernel, which knows no nesting."""

    async def cell() -> rlmesh.RunResult:
        assert asyncio.get_running_loop().is_running()
        with rlmesh.EnvServer(Walk()) as server:
            envs: Any = {"local": Walk(), "served": server.address, "suite": {"a": server.address}}
            return rlmesh.evaluate(always, envs[kind], seeds=[0, 1], progress="auto")

    run = asyncio.run(cell())
    assert run.rewards == rlmesh.evaluate(always, Walk(), seeds=[0, 1]).rewards
    assert ("Tasks" in run._repr_html_()) is (kind == "suite")
