"""`JsonLines`: a run as one JSON object a line."""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Sequence
from typing import Any

from rlmesh._policy.events import RunStartEvent
from rlmesh._reporting.json_document import EpisodeObjects, run_facts, settings_object
from rlmesh._trackers.figures import EpisodeFigures
from rlmesh._trackers.tracker import OnError, Tracker
from rlmesh.results import EpisodeResult, RunResult

__all__ = ["JsonLines"]


class JsonLines(Tracker):
    """A tracker that writes one JSON object a line, as soon as there is something to write.

    The objects have a `kind`: "run_start" with the settings, "episode" with the fields of an
    episode of `RunResult.to_json`, and "run_end" with its `summary`, `stopping`, `warnings`,
    `findings` and times. A run that was killed has no "run_end".

    A resumed run writes the file anew, with the episodes of its journal first. Lines that could
    not be written are there after the end of the run, if the file can be written then.

    Args:
        path: The file.
        resume: Whether the file of an earlier run may be replaced.
        on_error: As for `Tracker`.

    Raises:
        FileExistsError: If the file exists, and `resume` is False.
    """

    def __init__(
        self, path: str | os.PathLike[str], *, resume: bool = False, on_error: OnError = "warn"
    ) -> None:
        super().__init__(on_error=on_error)
        self.path = os.fspath(path)
        if os.path.exists(self.path) and not resume:
            raise FileExistsError(
                f"{self.path} already exists, from an earlier run; use another path for each run, "
                f"or resume=True to replace it"
            )
        self._objects = EpisodeObjects()
        self._head: dict[str, Any] = {}

    def _start(self, event: RunStartEvent) -> Collection[int]:
        self._head = {
            "kind": "run_start",
            **run_facts(event.model_id, event.env_id, event.instruction),
            "episodes": event.episodes,
            "finished": len(event.finished),
            "endpoints": list(event.endpoints),
            "settings": settings_object(event.settings),
        }
        self._replace([self._head, *map(self._object, event.finished)])
        return {episode.index for episode in event.finished}

    def _episode(self, episode: EpisodeResult, figures: EpisodeFigures) -> None:
        line = _line(self._object(episode))
        with open(self.path, "ab", buffering=0) as file:
            end = file.tell()
            try:
                if file.write(line) != len(line):
                    raise OSError("the disk is full")
            except OSError:
                file.truncate(end)  # No part of a line stays.
                raise

    def _finish(self, run: RunResult) -> None:
        document = json.loads(run.to_json())
        del document["episodes"], document["settings"], document["metadata"]
        end = {"kind": "run_end", **document}
        if self.failures:
            self._replace([self._head, *map(self._object, run.episodes), end])
        else:
            with open(self.path, "ab", buffering=0) as file:
                file.write(_line(end))

    def _object(self, episode: EpisodeResult) -> dict[str, Any]:
        return {"kind": "episode", **self._objects.of(episode)}

    def _replace(self, objects: Sequence[dict[str, Any]]) -> None:
        """Write the whole file; a process that is killed meanwhile leaves the old one."""
        part = f"{self.path}.part"
        with open(part, "wb") as file:
            file.writelines(map(_line, objects))
        os.replace(part, self.path)


def _line(value: dict[str, Any]) -> bytes:
    return json.dumps(value, allow_nan=False).encode() + b"\n"
