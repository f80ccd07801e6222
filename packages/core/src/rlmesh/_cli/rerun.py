"""`rlmesh rerun`: a run once more from its result, and whether it is equal."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from rlmesh._cli.console import FAILED, Reporter, reporting
from rlmesh._cli.evaluate import evaluate
from rlmesh._cli.evaluate_options import ModelToken
from rlmesh._cli.logs import begin_log
from rlmesh._cli.models import Backend
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
from rlmesh._cli.report import FORMS, read_run
from rlmesh._cli.sources import UsageProblem
from rlmesh._reporting.words import escape_control_chars
from rlmesh.acting import read_acting
from rlmesh.results import RunResult
from rlmesh.results._repetition import Repetition, obstacles, repeatable
from rlmesh.results._settings import HIDDEN

__all__ = ["rerun"]

MAX_NAMED = 20
"""Largest number of differences that are printed; a document has all."""

_Run = Annotated[Path, typer.Argument(metavar="FILE", help=FORMS)]
_Model = Annotated[
    str | None,
    typer.Argument(metavar="MODEL", help="as of `rlmesh eval`", show_default="that of the run"),
]
_Addresses = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ADDRESS", help="addresses of environments", show_default="those of the run"
    ),
]
_Suite = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="file with the addresses of a suite's tasks; the episodes are those of the run",
        show_default="that of the run",
    ),
]
_ModelKwargs = Annotated[
    str | None,
    typer.Option(metavar="JSON", help="arguments to make the model with; no result has them"),
]


def rerun(
    run: _Run,
    model: _Model = None,
    addresses: _Addresses = None,
    suite: _Suite = None,
    model_kwargs: _ModelKwargs = None,
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
    """Repeat a run from its result; exit with 0 if every episode is equal, with 1 if not."""
    with reporting("rerun", json=json, debug=debug) as reporter, contextlib.ExitStack() as stack:
        begin_log(log_level, log_format, "warning")
        before = read_run(run)
        reasons = list(obstacles(before))
        for reason in reasons:
            reporter.note(f"{run}: {reason}")
        expected = repeatable(before)
        if not expected.episodes:
            raise UsageProblem(f"{run}: it has no episode with a seed, which could be repeated")
        given = _given(before.settings.command)
        named = ModelNamed(
            _needed(model or given.get("model"), run, "MODEL"),
            _kwargs(model_kwargs, given, before, is_same=model is None),
            backend or given.get("backend"),
            model_token,
        )
        if not before.settings.tasks:
            addresses = addresses or _needed(given.get("addresses"), run, "ADDRESS")
        elif not addresses:
            suite = suite or _needed(given.get("suite"), run, "--suite")
        tls = tls_of(tls_authority, tls_certificate, tls_key)
        arguments = {**_settings(before), "token": token, "connect_timeout": connect_timeout}
        level = str(arguments["validation"])
        envs = {
            name: endpoints(stack, task.envs, token, tls, connect_timeout, level)
            for name, task in tasks_of(addresses, suite).items()
        }
        arguments["load_arguments"] = named.load_arguments
        actual = _played(named.opened(stack, tls, connect_timeout), envs, expected, arguments)
        _report(reporter, Repetition(expected, actual), reasons)


def _given(command: Sequence[str]) -> Mapping[str, Any]:
    """Return the parameters of the `rlmesh eval` that a run was started by; empty if by none."""
    if tuple(command[:2]) != ("rlmesh", "eval"):
        return {}
    parser = typer.Typer()
    parser.command()(evaluate)
    try:
        context = typer.main.get_command(parser).make_context("eval", list(command[2:]))
    except Exception as error:  # Of click or of typer, depending on the release.
        raise UsageProblem(f"the command of the run cannot be read: {error}") from None
    return context.params


def _needed(value: Any, run: Path, name: str) -> Any:
    if not value:
        raise UsageProblem(
            f"{run}: expected {name}, because the result does not have the command of its run"
        )
    return value


def _kwargs(given: str | None, command: Mapping[str, Any], run: RunResult, *, is_same: bool) -> str:
    """Return the JSON of the model's arguments.

    Raises:
        UsageProblem: If the run had some, which its result does not have, and none are given.
    """
    if given is None and is_same and command.get("model_kwargs") == HIDDEN:
        names = ", ".join(run.settings.load_arguments)
        raise UsageProblem(f"expected --model-kwargs, as the run had them: {names}")
    return given or "{}"


def _settings(run: RunResult) -> dict[str, Any]:
    """Return the arguments of the run that its result has.

    Raises:
        UsageProblem: If its way of acting is not known.
    """
    settings = run.settings
    try:
        acting = read_acting(settings.acting)
    except ValueError as error:
        raise UsageProblem(str(error)) from None
    return {
        "execution_horizon": settings.execution_horizon,
        "max_batch_size": settings.max_batch_size,
        "max_episode_steps": settings.max_episode_steps,
        "max_episode_seconds": settings.max_episode_seconds,
        "run_id": settings.run_id,
        # Clients that were passed may have had several levels.
        "validation": settings.validation[0] if len(settings.validation) == 1 else "warn",
        "acting": acting,
        **success_arguments(settings.success or "last", settings.success_key or None),
        "instruction": run.instruction,
    }


def _played(
    model: Any, envs: Mapping[str, Sequence[Any]], expected: RunResult, arguments: dict[str, Any]
) -> RunResult:
    """Return the result of the episodes of a run, played again in their order.

    Raises:
        UsageProblem: If a task of the run has no environments.
    """
    from rlmesh._evaluation.settings import Settings
    from rlmesh._evaluation.suite import Episode, Task
    from rlmesh._models.evaluate import evaluate_with

    if not expected.settings.tasks:
        seeds = [episode.seed for episode in expected.episodes if episode.seed is not None]
        return evaluate_with(model, list(envs[""]), Settings(seeds=seeds, **arguments))
    suite: dict[str, Task] = {}
    for name, part in expected.by_task().items():
        found = envs.get(name, envs.get("", ()))
        if not found:
            raise UsageProblem(f"--suite: expected the task {name!r} of the run")
        episodes = [Episode(e.seed, e.options, e.instruction) for e in part.episodes]
        suite[name] = Task(found, episodes)
    return evaluate_with(model, suite, Settings(**arguments))


def _report(reporter: Reporter, repetition: Repetition, reasons: Sequence[str]) -> None:
    differences, settings = repetition.differences, repetition.settings_differences
    count = len(repetition.expected.episodes)
    if reporter.json:
        reporter.document(
            {
                "equal": repetition.is_equal,
                "episodes": count,
                "differences": differences,
                "settings_differences": settings,
                "not_repeatable": reasons,
            }
        )
    else:
        lines = [f"settings: {text}" for text in settings] + list(differences[:MAX_NAMED])
        if len(differences) > MAX_NAMED:
            lines.append(f"and {len(differences) - MAX_NAMED} more differences")
        lines.append(
            f"{count} episodes repeated: {'equal' if repetition.is_equal else 'not equal'}"
        )
        for line in lines:
            print(escape_control_chars(line))
    if not repetition.is_equal:
        raise typer.Exit(FAILED)
