"""`rlmesh report` and `rlmesh compare`: results of runs that were written to files."""

from __future__ import annotations

import json as json_module
import math
import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from rlmesh._cli.console import Reporter, reporting
from rlmesh._cli.logs import begin_log
from rlmesh._cli.parameters import Debug, Json, LogFormat, LogLevel
from rlmesh._cli.sources import UsageProblem
from rlmesh._reporting.compared import pairwise
from rlmesh._reporting.figures import run_names
from rlmesh._reporting.words import escape_control_chars, heading
from rlmesh.errors import CodecError
from rlmesh.results import Comparison, RunResult
from rlmesh.results._journal_header import EPISODES_KEY

__all__ = [
    "FORMS",
    "Csv",
    "Html",
    "check_html",
    "compare",
    "read_run",
    "report",
    "write_csv",
    "write_html",
]

FORMS = "a journal, or the JSON of `rlmesh eval --json`"
"""The forms of a file that `read_run` reads, for help and errors."""

_Run = Annotated[Path, typer.Argument(metavar="FILE", help=f"{FORMS}; the run may be going on")]
_First = Annotated[Path, typer.Argument(metavar="A", help=FORMS)]
_Second = Annotated[Path, typer.Argument(metavar="B", help=f"{FORMS}, of a run of the same seeds")]
_More = Annotated[
    list[Path] | None,
    typer.Argument(metavar="C...", help="more runs, each of which is compared with A"),
]
Html = Annotated[
    Path | None, typer.Option(metavar="FILE", help="write an HTML report to this file")
]
Csv = Annotated[
    Path | None, typer.Option(metavar="FILE", help="write the episodes as CSV to this file")
]
_Confidence = Annotated[
    float, typer.Option(min=0.01, max=0.9999, help="probability that an interval covers its value")
]
_CommonSeeds = Annotated[
    bool,
    typer.Option("--common-seeds", help="compare only seeds that both runs have"),
]


def report(
    run: _Run,
    html: Html = None,
    csv: Csv = None,
    json: Json = False,
    debug: Debug = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Show the result of a run from its journal or its JSON."""
    with reporting("report", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        check_html(html, "--html")
        check_html(csv, "--csv")
        result = read_run(run)
        total = result.metadata.get(EPISODES_KEY)
        if reporter.json:
            reporter.document(result.to_json(indent=2))
        else:
            reporter.out.print(result)
        if total and len(result.episodes) < total:
            reporter.note(f"{run}: {len(result.episodes)} of {total} episodes so far")
        write_html(reporter, html, result)
        write_csv(reporter, csv, result)


def compare(
    a: _First,
    b: _Second,
    more: _More = None,
    common_seeds: _CommonSeeds = False,
    confidence: _Confidence = 0.95,
    html: Html = None,
    json: Json = False,
    debug: Debug = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Compare runs of the same seeds by pairs; differences are A minus each other run."""
    with reporting("compare", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        check_html(html, "--html")
        paths = (a, b, *(more or ()))
        runs = list(map(read_run, paths))
        if common_seeds:
            runs = _common(runs)
        comparisons = pairwise(runs, confidence)
        if reporter.json:
            facts = [
                _facts((a, path), (runs[0], run), comparison)
                for path, run, comparison in zip(paths[1:], runs[1:], comparisons)
            ]
            reporter.document(facts[0] if len(facts) == 1 else {"comparisons": facts})
        else:
            names = [name.partition(":")[0].upper() for name in run_names(runs)]
            for name, path, run in zip(names, paths, runs):
                line = f"{name}  {heading(run)}, mean reward {run.mean_reward:.4g}  ({path})"
                print(escape_control_chars(line))
            for name, comparison in zip(names[1:], comparisons):
                print(f"A - {name}  {comparison}")
        write_html(reporter, html, *runs)


def read_run(path: Path) -> RunResult:
    """Return the run in a file: a journal, or a document of `rlmesh eval --json`.

    Raises:
        UsageProblem: If the file cannot be read.
        RLMeshError: If it contains no run.
    """
    try:
        with path.open("rb") as file:
            start = file.read(64).lstrip()
        if not start.startswith(b"{"):
            return RunResult.from_journal(path)
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageProblem(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise CodecError(f"{path}: {error}") from None
    return _read_document(path, text)


def _read_document(path: Path, text: str) -> RunResult:
    try:
        document = json_module.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodecError(f"{path}: expected {FORMS}: {error}") from None
    if "error" in document:  # A run that ended early has its episodes beside the error.
        if "result" not in document:
            raise CodecError(f"{path}: the run has failed without a result")
        text = json_module.dumps(document["result"])
    elif "episodes" not in document and "envId" not in document and "env_id" not in document:
        raise CodecError(f"{path}: expected {FORMS}, got a JSON document without episodes")
    try:
        return RunResult.from_json(text)
    except CodecError as error:
        raise CodecError(f"{path}: {error}") from None


def _common(runs: Sequence[RunResult]) -> list[RunResult]:
    """Return runs with the episodes of the seeds that all have.

    Raises:
        UsageProblem: If there is no such seed.
    """

    def keys(run: RunResult) -> set[tuple[str, int]]:
        return {(e.task, e.seed) for e in run.episodes if e.seed is not None}

    common = set.intersection(*map(keys, runs))
    if not common:
        raise UsageProblem("--common-seeds: the runs have no seed in common")

    def part(run: RunResult) -> RunResult:
        return replace(run, episodes=tuple(e for e in run.episodes if (e.task, e.seed) in common))

    return list(map(part, runs))


def _facts(
    paths: Sequence[Path], runs: Sequence[RunResult], comparison: Comparison
) -> dict[str, Any]:
    sides = {
        name: {
            "file": str(path),
            "model_id": run.model_id,
            "env_id": run.env_id,
            "mean_reward": _finite(run.mean_reward),
            "success_rate": run.success_rate,
        }
        for name, path, run in zip("ab", paths, runs)
    }
    names = ("confidence", "reward_difference", "wins", "ties", "losses", "success_difference")
    intervals = ("reward_interval", "success_interval")
    return {
        **sides,
        "n_pairs": comparison.n_pairs,
        **{name: _finite(getattr(comparison, name)) for name in (*names, *intervals)},
        "errors": comparison.errors,
    }


def _finite(value: Any) -> Any:
    """Return a figure as JSON has it: null if it cannot be estimated."""
    if isinstance(value, tuple):
        return list(value) if all(map(math.isfinite, value)) else None
    return value if value is None or math.isfinite(value) else None


def check_html(path: Path | None, option: str) -> None:
    """Refuse a file that cannot be written, before anything that takes long.

    Raises:
        UsageProblem: If it cannot; the message names the option.
    """
    if path is None:
        return
    if not path.resolve().parent.is_dir():
        raise UsageProblem(f"{option}: there is no folder {path.parent}")
    if path.is_dir():
        raise UsageProblem(f"{option}: {path} is a folder; expected a file in it")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise UsageProblem(f"{option}: {path} may not be written")


def write_csv(reporter: Reporter, csv: Path | None, run: RunResult) -> None:
    """Write the episodes of a run as CSV, if a file is given for them."""
    if csv is not None:
        run.to_csv(csv)
        reporter.note(f"episodes: {csv}")


def write_html(reporter: Reporter, html: Path | None, run: RunResult, *others: RunResult) -> None:
    """Write the page of a run, or of several, if a file is given for it."""
    if html is not None:
        run.to_html(html, compare=others or None)
        reporter.note(f"report: {html}")
