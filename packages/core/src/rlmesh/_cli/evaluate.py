"""`rlmesh eval`: one model in many environments."""

from __future__ import annotations

import contextlib
import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import typer

from rlmesh._cli.acting_options import acting_of
from rlmesh._cli.command_line import without_secrets
from rlmesh._cli.console import FAILED, Reporter, reporting
from rlmesh._cli.evaluate_options import (
    ARGUMENTS,
    Addresses,
    Directory,
    Ensemble,
    Force,
    Fps,
    Horizon,
    Instruction,
    Journal,
    LatencyFiller,
    LatencySeconds,
    LatencySteps,
    MaxBatchSize,
    MaxSeconds,
    MaxSteps,
    ModelPlace,
    ModelToken,
    Observe,
    Progress,
    RealTime,
    Record,
    RecordSource,
    Report,
    Resume,
    RunId,
    Seeds,
    Success,
    SuccessKey,
    Suite,
    UntilDecided,
    UntilWidth,
    Validation,
)
from rlmesh._cli.logs import begin_log
from rlmesh._cli.models import Backend, ModelKwargs
from rlmesh._cli.parameters import (
    Authority,
    Certificate,
    Debug,
    Json,
    Key,
    LogFormat,
    LogLevel,
    Timeout,
    Token,
    tls_of,
)
from rlmesh._cli.played import ModelNamed, endpoints, success_arguments, tasks_of
from rlmesh._cli.progress import EvaluationProgress
from rlmesh._cli.report import check_html, read_run
from rlmesh._cli.seeds import read_seeds
from rlmesh._cli.sources import UsageProblem, read_choice
from rlmesh._cli.track import Track, trackers
from rlmesh.errors import RunError
from rlmesh.results import EpisodeEnd, RunResult
from rlmesh.stopping import DifferenceDecided, IntervalWidth, StoppingRule

__all__ = ["evaluate"]


def evaluate(
    model: ModelPlace,
    addresses: Addresses = None,
    suite: Suite = None,
    directory: Directory = None,
    seeds: Seeds = "0:10",
    report: Report = None,
    record: Record = None,
    record_source: RecordSource = "render",
    track: Track = None,
    journal: Journal = None,
    resume: Resume = False,
    force: Force = False,
    run_id: RunId = "",
    max_batch_size: MaxBatchSize = None,
    horizon: Horizon = None,
    instruction: Instruction = None,
    max_episode_steps: MaxSteps = None,
    max_episode_seconds: MaxSeconds = None,
    success: Success = "last",
    success_key: SuccessKey = None,
    until_width: UntilWidth = None,
    until_decided: UntilDecided = None,
    temporal_ensemble: Ensemble = None,
    latency: LatencySeconds = None,
    fps: Fps = None,
    latency_steps: LatencySteps = None,
    latency_filler: LatencyFiller = None,
    real_time_chunking: RealTime = False,
    validation: Validation = "warn",
    progress: Progress = True,
    observe: Observe = "read",
    model_kwargs: ModelKwargs = "{}",
    backend: Backend = None,
    model_token: ModelToken = "",
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
    """Evaluate a model; the seeds are shared out among all addresses (of a task)."""
    with (
        reporting("eval", json=json, debug=debug, options=ARGUMENTS) as reporter,
        contextlib.ExitStack() as stack,
    ):
        begin_log(log_level, log_format, "warning")
        tasks = tasks_of(addresses, suite, directory)
        _check(report, record, journal, resume)
        if force and not resume:
            raise UsageProblem("--force goes with --resume")
        read_choice(validation, "--validation", ("off", "warn", "strict"))
        read_choice(observe, "--observe", ("read", "all"))
        tls = tls_of(tls_authority, tls_certificate, tls_key)
        arguments: dict[str, Any] = {
            "seeds": read_seeds(seeds),
            "token": token,
            "connect_timeout": connect_timeout,
            "instruction": instruction,
            "journal": journal,
            "resume": resume,
            "force_resume": force,
            "run_id": run_id,
            "command": without_secrets(("rlmesh", *sys.argv[1:])),
            "validation": validation,
            "max_batch_size": max_batch_size,
            "execution_horizon": horizon,
            "observe": observe,
            "max_episode_steps": max_episode_steps,
            "max_episode_seconds": max_episode_seconds,
            **success_arguments(success, success_key),
            "until": _until(until_width, until_decided),
            "acting": acting_of(
                temporal_ensemble,
                (latency, fps, latency_steps, latency_filler),
                is_real_time=real_time_chunking,
            ),
        }
        named = ModelNamed(model, model_kwargs, backend, model_token)
        arguments["model"] = named.opened(stack, tls, connect_timeout)
        arguments["load_arguments"] = named.load_arguments
        # The recorders come first: a tracker attaches the videos that they have written.
        arguments["hooks"] = [
            *_recorders(record, record_source, resume),
            *trackers(track or (), record, resume),
        ]
        for name, task in tasks.items():
            envs = endpoints(stack, task.envs, token, tls, connect_timeout, validation)
            tasks[name] = replace(task, envs=envs)
        arguments["envs"] = tasks[""].envs if suite is None else tasks
        _run(reporter, arguments, report, record, show_progress=progress)


def _until(width: float | None, decided: Path | None) -> StoppingRule | None:
    """Return the stopping rule; None if none is given."""
    if width is not None and decided is not None:
        raise UsageProblem("--until-width and --until-decided are two rules; pass one of them")
    if width is not None:
        return IntervalWidth(width)
    return None if decided is None else DifferenceDecided(read_run(decided))


def _check(report: Path | None, record: Path | None, journal: Path | None, resume: bool) -> None:
    """Refuse files and folders that would otherwise fail after the last episode."""
    if resume and journal is None:
        raise UsageProblem("--resume continues from a journal: pass --journal too")
    if journal is not None and journal.exists() and not resume:
        raise UsageProblem(
            f"--journal: {journal} already exists; pass --resume to continue it, or another file"
        )
    if journal is not None and journal.is_dir():
        raise UsageProblem(f"--journal: {journal} is a folder; expected a file in it")
    if journal is not None and not journal.resolve().parent.is_dir():
        raise UsageProblem(f"--journal: there is no folder {journal.parent}")
    check_html(report, "--report")
    if record is not None and record.exists() and not record.is_dir():
        raise UsageProblem(f"--record: {record} is a file; expected a folder")
    if record is not None and not (resume and journal is not None and journal.exists()):
        _check_videos(record)


def _check_videos(folder: Path) -> None:
    from rlmesh._recording.video import video_of_before

    video = video_of_before(folder)
    if video is not None:
        raise UsageProblem(
            f"--record: {folder} has videos of an earlier run, such as {os.path.basename(video)}; "
            f"name another folder, or move them; --resume adds to them if the --journal of their "
            f"run is there"
        )


def _run(
    reporter: Reporter,
    arguments: dict[str, Any],
    report: Path | None,
    videos: Path | None,
    *,
    show_progress: bool,
) -> None:
    """Evaluate, and report the result, even a partial one."""
    # Imported late, with gRPC and protobuf, so that `rlmesh --help` answers at once.
    from rlmesh._evaluation.settings import Settings
    from rlmesh._models.evaluate import evaluate_with

    journal, envs = arguments["journal"], arguments["envs"]
    given = [task.planned for task in envs.values()] if isinstance(envs, dict) else [None]
    count = sum(len(arguments["seeds"] if one is None else one) for one in given)
    if show_progress and not reporter.err.is_terminal:
        arguments["progress"] = reporter.note
    progress = EvaluationProgress(reporter.err, count, show_progress)
    try:
        with progress:
            arguments["hooks"] = [progress, *arguments["hooks"]]
            model = arguments.pop("model")
            del arguments["envs"]
            result = evaluate_with(model, envs, Settings(**arguments))
    except (RunError, KeyboardInterrupt, SystemExit) as error:
        finished: RunResult | None = getattr(error, "result", None)
        if finished is not None:
            try:
                _write_result(reporter, finished, report, videos, is_complete=False)
            except OSError as second:  # This error must not hide why the run ended.
                reporter.note(f"--report: {second}")
        raise
    finally:
        if journal is not None and progress.begun and progress.ended < count:
            reporter.note(f"finished episodes are in {journal}; pass --resume to continue")
    _write_result(reporter, result, report, videos)
    if result.episodes and result.ends.get(EpisodeEnd.ERROR, 0) == len(result.episodes):
        reporter.note("rlmesh eval: every episode has ended with an error")
        raise typer.Exit(FAILED)


def _recorders(folder: Path | None, source: str, resume: bool) -> list[Any]:
    if folder is None:
        return []
    from rlmesh.record import VideoRecorder

    return [VideoRecorder(folder, source=source, resume=resume)]


def _write_result(
    reporter: Reporter,
    result: RunResult,
    report: Path | None,
    videos: Path | None,
    *,
    is_complete: bool = True,
) -> None:
    if not reporter.json:
        reporter.out.print(result)
    elif is_complete:
        reporter.document(result.to_json(indent=2))
    # The report is last, because a file that cannot be written must not cost the result.
    if report is not None:
        result.to_html(report, videos=videos)
        reporter.note(f"report: {report}")
