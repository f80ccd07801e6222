"""The numbers and files that trackers log of episodes and runs."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass

from rlmesh._recording.recorder import recorded
from rlmesh.results import EpisodeEnd, EpisodeResult, Interval, RunResult
from rlmesh.results._success_tally import SuccessTally

__all__ = ["EpisodeFigures", "RunningFigures", "summary_figures", "video_files", "write_report"]


@dataclass(frozen=True)
class EpisodeFigures:
    """What is logged when an episode has ended.

    Attributes:
        count: Number of episodes that have ended, this one included.
        numbers: Numbers of the episode, and of the run so far, by name.
        texts: Its seed, task and end as texts; a seed may have more digits than a float.
    """

    count: int
    numbers: dict[str, float]
    texts: dict[str, str]


class RunningFigures:
    """The figures of a run while its episodes end."""

    def __init__(self) -> None:
        self._count = 0
        self._reward = 0.0
        self._tally = SuccessTally()

    def add(self, episode: EpisodeResult) -> EpisodeFigures:
        """Count an episode; return what is logged of it."""
        self._count += 1
        self._reward += float(episode.reward)
        self._tally.add(episode)
        numbers = {
            "episode/index": float(episode.index),
            "episode/reward": float(episode.reward),
            "episode/steps": float(episode.steps),
            "episode/seconds": float(episode.seconds),
            "episode/error": float(episode.end is EpisodeEnd.ERROR),
            "running/mean_reward": self._reward / self._count,
        }
        if episode.success is not None:
            numbers["episode/success"] = float(episode.success)
        if self._tally.rate is not None:
            numbers["running/success_rate"] = self._tally.rate
        texts = {"episode/task": episode.task, "episode/end": episode.end.value}
        if episode.seed is not None:
            texts["episode/seed"] = str(episode.seed)
        return EpisodeFigures(self._count, numbers, {k: v for k, v in texts.items() if v})


def summary_figures(run: RunResult) -> dict[str, float]:
    """Return the figures of a run, with the intervals that hold for it, by name.

    The intervals of a fixed number of episodes are left out if the run had a stopping rule.
    """
    found: dict[str, float] = {
        "summary/episodes": len(run.episodes),
        "summary/errors": run.ends.get(EpisodeEnd.ERROR, 0),
        "summary/total_steps": run.total_steps,
    }
    if run.episodes:
        found["summary/mean_reward"] = run.mean_reward
        found["summary/std_reward"] = run.std_reward
    if run.success_rate is not None:
        found["summary/success_rate"] = run.success_rate
    if run.stopping is None:
        found.update(_ends("summary/reward", run.reward_interval()))
        found.update(_ends("summary/success", run.success_interval()))
    else:
        found.update(_ends("stopping/interval", run.stopping.interval))
        found["stopping/discarded"] = run.stopping.discarded
    parts = run.by_task()
    if parts:
        found["summary/macro_mean_reward"] = run.macro_mean_reward
    if run.macro_success_rate is not None:
        found["summary/macro_success_rate"] = run.macro_success_rate
    for task, part in parts.items():
        found[f"task/{task}/mean_reward"] = part.mean_reward
        if part.success_rate is not None:
            found[f"task/{task}/success_rate"] = part.success_rate
    return found


def _ends(name: str, interval: Interval | None) -> Iterator[tuple[str, float]]:
    if interval is not None and not math.isnan(interval.low):
        yield f"{name}_low", interval.low
        yield f"{name}_high", interval.high


def write_report(run: RunResult, folder: str, videos: str | None) -> list[str]:
    """Write page, table, document and charts of a run into a folder; return their paths."""
    page, table, document = (
        os.path.join(folder, name) for name in ("result.html", "episodes.csv", "result.json")
    )
    run.to_csv(table)
    with open(document, "w", encoding="utf-8") as file:
        file.write(run.to_json(indent=2))
    run.to_html(page, videos=videos)
    return [page, table, document, *run.to_svg(os.path.join(folder, "figures"))]


def video_files(path: str | None) -> list[str]:
    """Return the paths of the videos that a `VideoRecorder` wrote to its path."""
    if path is None:
        return []
    if os.path.isfile(path):
        return [path]
    return [os.path.join(path, name) for name in recorded(path, ".mp4")]
