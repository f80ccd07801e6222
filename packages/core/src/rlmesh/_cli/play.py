"""`rlmesh play`: random actions, with a live view in the terminal."""

from __future__ import annotations

import time
from typing import Annotated, Any

import typer
from rich.console import Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rlmesh._cli.console import Reporter, reporting
from rlmesh._cli.description import describe
from rlmesh._cli.logs import begin_log
from rlmesh._cli.parameters import (
    Address,
    Authority,
    Certificate,
    Debug,
    Json,
    Key,
    LogFormat,
    LogLevel,
    Seed,
    Timeout,
    Token,
    read_address,
    tls_of,
)
from rlmesh._cli.pixels import HalfBlocks, ansi_text, draws_frames, is_frame
from rlmesh._cli.random_driver import Episode, RandomDriver, connect
from rlmesh._reporting.words import escape_control_chars

__all__ = ["play"]

_REDRAW_SECONDS = 0.05
_MAX_INFO = 8
"""Largest number of entries of an info that are shown."""


_Episodes = Annotated[
    int | None,
    typer.Option(min=1, help="stop after this many; default: at Ctrl-C, without a terminal 1"),
]
_Steps = Annotated[
    int | None,
    typer.Option(min=1, help="stop after this many steps"),
]
_Fps = Annotated[
    float | None,
    typer.Option(min=0, help="steps a second; 0: no limit", show_default="the environment's"),
]


def play(
    address: Address,
    seed: Seed = 0,
    episodes: _Episodes = None,
    steps: _Steps = None,
    fps: _Fps = None,
    token: Token = "",
    tls_authority: Authority = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    connect_timeout: Timeout = 10.0,
    json: Json = False,
    debug: Debug = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Play random actions and watch; Ctrl-C stops."""
    with reporting("play", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        tls = tls_of(tls_authority, tls_certificate, tls_key)
        description = describe(read_address(address), token, tls, connect_timeout)
        live = reporter.out.is_terminal and not json
        if fps is None:
            fps = (description.contract.render_fps or 30.0) if live else 0.0
        if episodes is None and steps is None and not live:
            episodes = 1
        with connect(description, token=token, tls=tls, connect_timeout=connect_timeout) as env:
            driver = RandomDriver(env, seed)
            view = _View(reporter, driver, live)
            reporter.unfinished = view.facts
            try:
                _play(driver, view, episodes, steps, fps)
                view.finish()
            finally:
                view.close()
            if json:
                reporter.document(view.facts())


def _play(
    driver: RandomDriver, view: _View, episodes: int | None, steps: int | None, fps: float
) -> None:
    taken, due = 0, time.monotonic()
    while (episodes is None or len(driver.finished) < episodes) and taken != steps:
        if driver.must_reset:
            driver.reset()
        else:
            driver.step(driver.action())
            taken += 1
        view.update(taken)
        if fps:
            due = max(due + 1 / fps, time.monotonic() - 1 / fps)
            time.sleep(max(0.0, due - time.monotonic()))


class _View:
    """The view of the user: a live picture, or without a terminal one line for each episode."""

    def __init__(self, reporter: Reporter, driver: RandomDriver, live: bool) -> None:
        self._reporter, self._driver = reporter, driver
        self._printed = 0
        self._drawn = 0.0
        self._steps = 0
        self._begun = time.monotonic()
        self._live: Live | None = None
        if live:
            self._live = Live(console=reporter.out, auto_refresh=False, screen=False)
            self._live.start()

    def update(self, steps: int) -> None:
        """Show a step."""
        self._steps = steps
        if self._live is None:
            for episode in self._driver.finished[self._printed :]:
                self._print_episode(episode)
            return
        now = time.monotonic()
        if now - self._drawn >= _REDRAW_SECONDS:
            self._drawn = now
            self._live.update(self._picture(), refresh=True)

    def finish(self) -> None:
        """Show the last state, which the latest picture may have missed."""
        if self._live is not None:
            self._live.update(self._picture(), refresh=True)

    def close(self) -> None:
        """Restore the terminal, with the last picture."""
        if self._live is not None:
            self._live.stop()

    def facts(self) -> dict[str, Any]:
        """Return what has been played, in the form of JSON."""
        return {
            "address": self._driver.env.address,
            "env_id": self._driver.env.env_contract.id,
            "seed": self._driver.seed,
            "steps": self._steps,
            "episodes": [episode.facts() for episode in self._driver.finished],
        }

    def _print_episode(self, episode: Episode) -> None:
        self._printed += 1
        if not self._reporter.json:
            lane = f" lane {episode.lane}" if self._driver.env.env_contract.vector else ""
            print(f"episode {self._printed}{lane}: {_episode_text(episode)}", flush=True)

    def _picture(self) -> RenderableType:
        driver = self._driver
        contract = driver.env.env_contract
        seconds = max(1e-9, time.monotonic() - self._begun)
        title = f"{contract.id}  at {driver.env.address}  over {driver.env.transport}"
        facts = Table.grid(padding=(0, 2))
        facts.add_row("episodes", f"{len(driver.finished)}")
        facts.add_row("steps", f"{self._steps}, {self._steps / seconds:.1f}/s")
        for episode in driver.lanes[:_MAX_INFO]:
            name = f"lane {episode.lane}" if contract.vector else "episode"
            facts.add_row(name, _episode_text(episode))
        if driver.rewards:
            facts.add_row("rewards", " ".join(f"{r:.4g}" for r in driver.rewards[:_MAX_INFO]))
        for name, value in list(driver.info.items())[:_MAX_INFO]:
            facts.add_row(
                Text(escape_control_chars(str(name)), "dim"),
                Text(escape_control_chars(f"{value!r:.60}")),
            )
        used = facts.row_count + 2
        return Group(Text(escape_control_chars(title), "bold"), *self._frame(used), facts)

    def _frame(self, used: int) -> list[RenderableType]:
        """Return the rendered image of the first lane, in the space that the rest leaves."""
        contract = self._driver.env.env_contract
        if contract.render_mode not in ("rgb_array", "ansi"):
            return []
        frame = self._driver.env.render([0])[0] if contract.vector else self._driver.env.render()
        if isinstance(frame, str):
            return [ansi_text(frame)]
        out = self._reporter.out
        if not is_frame(frame) or not draws_frames(out):
            return []
        return [HalfBlocks(frame, out.size.height - used)]


def _episode_text(episode: Episode) -> str:
    seed = "" if episode.seed is None else f"seed {episode.seed}, "
    end = ", terminated" if episode.terminated else ", truncated" if episode.truncated else ""
    return f"{seed}reward {episode.reward:.6g}, {episode.steps} steps{end}"
