"""A program that tracks runs by the real libraries, and prints as JSON what they have of them.

`test_trackers_services.py` runs it in an environment with Weights & Biases and MLflow:
`python trackers_services.py wandb FOLDER` or `python trackers_services.py mlflow FOLDER`.
"""

from __future__ import annotations

import json
import struct
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tracked_env import Odd  # Beside this program.

from rlmesh import evaluate
from rlmesh.trackers import MLflow, Tracker, WandB

EPISODES = 6


def play(tracker: Tracker, fatal: int | None = None, **given: Any) -> None:
    """Play six episodes, or those before the one that is interrupted."""
    given = {"seeds": range(EPISODES), "retries": 0, "run_id": "checkpoint-7", **given}
    try:
        evaluate(lambda observation: 0, [Odd(fatal)], hooks=[tracker], **given)
    except KeyboardInterrupt:
        assert fatal is not None
    assert tracker.failures == (), tracker.failures


def videos_of(folder: Path) -> Path:
    """Return a folder with a file named like a video of the first episode."""
    videos = folder / "videos"
    videos.mkdir()
    (videos / "episode_0_seed_0.mp4").write_bytes(b"video")
    return videos


def of_wandb(folder: Path) -> dict[str, Any]:
    """Return what is in the files of two offline runs: a whole one, and one that was cut short."""
    tracker = WandB("evaluations", mode="offline", dir=str(folder), videos=videos_of(folder))
    play(tracker)
    whole = _wandb_file(folder)
    again = folder / "again"
    again.mkdir()
    journal = folder / "run.journal"
    tracker = WandB("evaluations", mode="offline", dir=str(again))
    play(tracker, fatal=3, journal=journal)
    for path in again.rglob("*.wandb"):
        path.unlink()
    tracker = WandB("evaluations", mode="offline", dir=str(again))
    play(tracker, journal=journal, resume=True)
    return {"whole": whole, "resumed": _wandb_file(again)}


def _wandb_file(folder: Path) -> dict[str, Any]:
    from wandb.proto.wandb_internal_pb2 import Record

    (path,) = {path.resolve() for path in folder.rglob("*.wandb")}
    found: dict[str, Any] = {"history": [], "config": {}, "summary": {}, "files": [], "exit": None}
    for data in _records(path.read_bytes()):
        record = Record()
        record.ParseFromString(data)
        _note(found, record)
    return found


BLOCK, FILE_HEAD, HEAD = 32_768, 7, 7
"""Bytes of a block of a run's file, of the head of the file and of the head of a part."""


def _records(data: bytes) -> Iterator[bytes]:
    """Yield the records of a log like LevelDB's: its records are in parts, within blocks."""
    at, record = FILE_HEAD, b""
    while at + HEAD <= len(data):
        if BLOCK - at % BLOCK < HEAD:  # The rest of the block is too small for a head.
            at += BLOCK - at % BLOCK
            continue
        _, length, kind = struct.unpack_from("<IHB", data, at)
        at += HEAD
        record += data[at : at + length]
        at += length
        if kind in (1, 4):  # A whole record, or the last part of one.
            yield record
            record = b""


def _note(found: dict[str, Any], record: Any) -> None:
    """Add what a record has to what was found."""
    kind = record.WhichOneof("record_type")
    if kind == "history":
        found["history"].append(_items(record.history.item))
    elif kind == "run":
        found["config"].update(_items(record.run.config.update))
    elif kind == "config":
        found["config"].update(_items(record.config.update))
    elif kind == "summary":
        found["summary"].update(_items(record.summary.update))
    elif kind == "artifact":
        found["files"] += [entry.path for entry in record.artifact.manifest.contents]
    elif kind == "exit":
        found["exit"] = record.exit.exit_code


def _items(items: Any) -> dict[str, Any]:
    return {
        item.key or "/".join(item.nested_key): json.loads(item.value_json)
        for item in items
        if item.value_json
    }


def of_mlflow(folder: Path) -> dict[str, Any]:
    """Return what the client reads of a whole run, and of one that was continued."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{folder / 'store.db'}"
    client = MlflowClient(uri)
    client.create_experiment("evaluations", artifact_location=str(folder / "artifacts"))
    play(MLflow("evaluations", tracking_uri=uri, videos=videos_of(folder)))
    journal = folder / "run.journal"
    play(MLflow("evaluations", tracking_uri=uri, run_name="cut"), fatal=3, journal=journal)
    place = client.get_experiment_by_name("evaluations").experiment_id
    runs = {run.info.run_name: run for run in client.search_runs([place])}
    cut = runs.pop("cut")
    (whole,) = runs.values()
    before = _mlflow_run(client, cut.info.run_id)
    continued = MLflow("evaluations", tracking_uri=uri, run_id=cut.info.run_id)
    play(continued, journal=journal, resume=True)
    return {
        "whole": _mlflow_run(client, whole.info.run_id),
        "cut": before,
        "resumed": _mlflow_run(client, cut.info.run_id),
    }


def _mlflow_run(client: Any, run_id: str) -> dict[str, Any]:
    run = client.get_run(run_id)
    history = client.get_metric_history(run_id, "episode/index")
    files = [entry.path for entry in client.list_artifacts(run_id)]
    return {
        "status": run.info.status,
        "parameters": run.data.params,
        "metrics": run.data.metrics,
        "indexes": [[point.step, point.value] for point in history],
        "files": files,
        "videos": [entry.path for entry in client.list_artifacts(run_id, "videos")]
        if "videos" in files
        else [],
    }


if __name__ == "__main__":
    place = Path(sys.argv[2])
    print("RESULT" + json.dumps({"wandb": of_wandb, "mlflow": of_mlflow}[sys.argv[1]](place)))
