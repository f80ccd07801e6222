"""`rlmesh merge`: one run of parts that were played elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from rlmesh._cli.console import reporting
from rlmesh._cli.logs import begin_log
from rlmesh._cli.parameters import Debug, Json, LogFormat, LogLevel
from rlmesh._cli.report import FORMS, Csv, Html, check_html, read_run, write_csv, write_html
from rlmesh.results import merge as merge_runs

__all__ = ["merge"]

_Runs = Annotated[list[Path], typer.Argument(metavar="FILE", help=f"{FORMS}, of each part")]


def merge(
    runs: _Runs,
    html: Html = None,
    csv: Csv = None,
    json: Json = False,
    debug: Debug = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Merge parts of one run that were played elsewhere, and show its result."""
    with reporting("merge", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        check_html(html, "--html")
        check_html(csv, "--csv")
        result = merge_runs([read_run(path) for path in runs], names=[str(path) for path in runs])
        if reporter.json:
            reporter.document(result.to_json(indent=2))
        else:
            reporter.out.print(result)
        write_html(reporter, html, result)
        write_csv(reporter, csv, result)
