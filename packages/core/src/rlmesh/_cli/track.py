"""`--track` of `rlmesh eval`: trackers by their names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rlmesh._cli.sources import UsageProblem

__all__ = ["Track", "trackers"]

Track = Annotated[
    list[str] | None,
    typer.Option(
        metavar="KIND[:ARGUMENT]",
        help="log the run: jsonl:FILE, tensorboard:FOLDER, wandb:PROJECT or mlflow:EXPERIMENT; may "
        "be given again",
    ),
]

_KINDS = ("jsonl", "tensorboard", "wandb", "mlflow")
_WITH_PATH = ("jsonl", "tensorboard")


def trackers(wanted: Sequence[str], videos: Path | None, resume: bool) -> list[Any]:
    """Return the trackers that are named.

    Args:
        wanted: Their kinds and arguments, as they are given.
        videos: Folder of the videos of the run; None: there are none.
        resume: Whether the run is resumed, so that their files may be replaced.

    Raises:
        UsageProblem: If a kind is not known, or its file or folder is missing or has been used.
        ImportError: If the library of one is not installed.
    """
    if not wanted:
        return []
    from rlmesh.trackers import JsonLines, MLflow, TensorBoard, WandB

    made: list[Any] = []
    for text in wanted:
        kind, _, argument = text.partition(":")
        if kind not in _KINDS:
            raise UsageProblem(f"--track: expected one of {', '.join(_KINDS)}, got {kind!r}")
        if kind in _WITH_PATH and not argument:
            raise UsageProblem(f"--track: {kind} needs a path, such as {kind}:run")
        try:
            if kind == "jsonl":
                made.append(JsonLines(argument, resume=resume))
            elif kind == "tensorboard":
                made.append(TensorBoard(argument, resume=resume, videos=videos))
            elif kind == "wandb":
                made.append(WandB(argument or None, videos=videos))
            else:
                made.append(MLflow(argument or "Default", videos=videos))
        except FileExistsError as error:
            raise UsageProblem(
                f"--track: {_without_advice(error)}; --resume replaces it"
            ) from error
    return made


def _without_advice(error: FileExistsError) -> str:
    """Return the part of a message that is not about arguments of Python."""
    return str(error).partition(";")[0]
