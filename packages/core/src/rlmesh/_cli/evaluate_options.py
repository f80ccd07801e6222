"""The options of `rlmesh eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlmesh._cli.models import MODEL_HELP

__all__ = [
    "ARGUMENTS",
    "Addresses",
    "Ensemble",
    "Force",
    "Fps",
    "Horizon",
    "Instruction",
    "Journal",
    "LatencyFiller",
    "LatencySeconds",
    "LatencySteps",
    "MaxBatchSize",
    "MaxSeconds",
    "MaxSteps",
    "ModelPlace",
    "ModelToken",
    "Observe",
    "Progress",
    "RealTime",
    "Record",
    "RecordSource",
    "Report",
    "Resume",
    "RunId",
    "Seeds",
    "Success",
    "SuccessKey",
    "Suite",
    "UntilDecided",
    "UntilWidth",
    "Validation",
]

ARGUMENTS = {
    "execution_horizon": "--horizon",
    "max_batch_size": "--max-batch-size",
    "max_episode_steps": "--max-episode-steps",
    "max_episode_seconds": "--max-episode-seconds",
    "success_key": "--success-key",
}
"""Option for each argument of `rlmesh.evaluate` that an error may name."""

ModelPlace = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help=f"{MODEL_HELP}; or the address of one that is served",
        show_default=False,
    ),
]
Addresses = Annotated[
    list[str] | None,
    typer.Argument(metavar="ADDRESS", help="addresses of environments", show_default=False),
]
Suite = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="TOML or JSON with the tasks of a suite, their addresses and episodes, instead of "
        "addresses; --seeds and --instruction are for tasks without their own",
    ),
]
# rich renders ":100:" as an emoji.
Seeds = Annotated[str, typer.Option(help="one episode a seed: 0:100, 0:50:2 or 1,5,7")]
Report = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="write an HTML report"),
]
Record = Annotated[
    Path | None,
    typer.Option(
        metavar="FOLDER", help="write a video of each episode; refused if an earlier run has any"
    ),
]
RecordSource = Annotated[
    str,
    typer.Option(help="images for --record: render, observation, or an image in it: camera/0"),
]
Journal = Annotated[
    Path | None,
    typer.Option(metavar="FILE", help="write each episode as soon as it has ended"),
]
Resume = Annotated[bool, typer.Option("--resume", help="continue from the journal if it exists")]
Force = Annotated[
    bool,
    typer.Option("--force", help="with --resume: continue from the journal of another run too"),
]
RunId = Annotated[
    str,
    typer.Option(
        help="name of the run, such as that of a checkpoint; a resumed run needs the same"
    ),
]
MaxBatchSize = Annotated[
    int | None,
    typer.Option(min=1, help="largest number of observations of one forward pass"),
]
Horizon = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="largest number of actions of a chunk to take; default: 1, or all if the model has "
        "only chunks",
    ),
]
MaxSteps = Annotated[int | None, typer.Option(min=1, help="cut an episode after this many steps")]
MaxSeconds = Annotated[
    float | None, typer.Option(min=0.001, help="cut an episode after this many seconds")
]
ModelToken = Annotated[
    str, typer.Option(envvar="RLMESH_MODEL_TOKEN", help="bearer token of a MODEL that is served")
]
Success = Annotated[
    str,
    typer.Option(
        help="which infos of an episode decide on its success: last, any or first; or module:name "
        "of a function that gets the infos of its steps"
    ),
]
SuccessKey = Annotated[
    str | None,
    typer.Option(
        help="key of an info that reports success",
        show_default="is_success, success or task_success",
    ),
]
UntilWidth = Annotated[
    float | None,
    typer.Option(
        min=1e-9,
        help="stop when the interval of the success rate is at most this wide, such as 0.1",
    ),
]
UntilDecided = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="stop when it is decided whether the run succeeds more often than the one in FILE, a "
        "result or journal with the same seeds",
    ),
]
Ensemble = Annotated[
    float | None,
    typer.Option(
        metavar="DECAY",
        help="apply the weighted mean of overlapping chunks; 0.01 as in ACT, 0 for the plain mean",
    ),
]
LatencySeconds = Annotated[
    float | None,
    typer.Option(
        min=0.0,
        metavar="SECONDS",
        help="let the environment step on for this time while the model answers; with --fps",
    ),
]
Fps = Annotated[
    float | None,
    typer.Option(min=1e-9, help="steps of the environment per second, for --latency"),
]
LatencySteps = Annotated[
    int | None,
    typer.Option(min=0, help="the latency in steps of the environment"),
]
LatencyFiller = Annotated[
    str | None,
    typer.Option(
        metavar="JSON",
        help="action that is applied before the model's first answer",
        show_default="0, or the bound nearest to it",
    ),
]
RealTime = Annotated[
    bool,
    typer.Option(help="send the model, with a latency, the actions that are already committed"),
]
Validation = Annotated[
    str,
    typer.Option(
        help="off, warn or strict: values outside their space, and signs of wrong declarations in "
        "the first episode; strict ends the run after it"
    ),
]
Progress = Annotated[
    bool,
    typer.Option(
        "--progress/--no-progress",
        help="show progress on stderr: a bar on a terminal, otherwise a line every 30 s",
    ),
]
Directory = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="play on every server that announces itself in this folder (serve --announce)",
    ),
]
Observe = Annotated[
    str,
    typer.Option(
        metavar="read|all",
        help="what servers send of observations: what the model reads, or all",
    ),
]
Instruction = Annotated[
    str | None,
    typer.Option(help="text for the model's text inputs"),
]
