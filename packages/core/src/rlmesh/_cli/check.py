"""`rlmesh check`: whether a server keeps the rules of the spec."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.text import Text

from rlmesh._cli.console import FAILED, Reporter, reporting
from rlmesh._cli.logs import begin_log
from rlmesh._cli.parameters import (
    Authority,
    Certificate,
    Debug,
    Json,
    Key,
    LogFormat,
    LogLevel,
    Token,
    read_address,
    tls_of,
)
from rlmesh._cli.report import check_html
from rlmesh._cli.sources import UsageProblem, read_choice
from rlmesh._conformance.client_runner import run_client_checks
from rlmesh._conformance.dialects import ENV, MODEL
from rlmesh._conformance.findings import Outcome, Status
from rlmesh._conformance.known import read_known
from rlmesh._conformance.report_files import html_page, json_facts, junit_xml
from rlmesh._conformance.report_text import STYLES, outcome_lines, summary
from rlmesh._conformance.rules import rule_table
from rlmesh._conformance.runner import Report, run_checks
from rlmesh._conformance.scripted import command_client
from rlmesh._conformance.target import read_target
from rlmesh.options import TLS

__all__ = ["check"]

_Addresses = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="ADDRESS...",
        help="addresses of the servers: host:port, tcp://..., frames://..., and so on",
        show_default=False,
    ),
]
_Command = Annotated[
    str | None,
    typer.Option(
        "--client",
        metavar="COMMAND",
        help="check a client: the command is started with the address of a server of the kit, and "
        "has to play an episode there",
    ),
]
_Service = Annotated[str, typer.Option(help="env or model: what the servers serve")]
_Only = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="a rule (Q-4) or a check; may be given again"),
]
_Known = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="names of checks that are known to fail, one a line; they fail once they pass",
    ),
]
_Strict = Annotated[
    bool, typer.Option("--strict", help="let a broken SHOULD fail like a broken MUST")
]
_Listed = Annotated[
    bool, typer.Option("--list", help="list rules and checks, and rules without a check and why")
]
_Junit = Annotated[Path | None, typer.Option(metavar="FILE", help="write the report as JUnit XML")]
_Html = Annotated[Path | None, typer.Option(metavar="FILE", help="write the report as a page")]
_Timeout = Annotated[
    float, typer.Option(help="seconds that the server may take for an answer", min=0.1, max=3600)
]
_All = Annotated[bool, typer.Option("--all", help="print the checks that have passed too")]


def check(
    addresses: _Addresses = None,
    service: _Service = "env",
    client: _Command = None,
    only: _Only = None,
    known: _Known = None,
    strict: _Strict = False,
    timeout: _Timeout = 10.0,
    show_all: _All = False,
    listed: _Listed = False,
    junit: _Junit = None,
    html: _Html = None,
    token: Token = "",
    tls_authority: Authority = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    json: Json = False,
    debug: Debug = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Check a server or a client against the rules of the spec; exit with 1 if it breaks one."""
    with reporting("check", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        if listed:
            _list(reporter)
            return
        read_choice(service, "--service", ("env", "model"))
        check_html(html, "--html")
        check_html(junit, "--junit")
        tls = tls_of(tls_authority, tls_certificate, tls_key)
        if not addresses and client is None:
            raise UsageProblem("ADDRESS: expected the address of a server, got none")
        settings = {"known": _read_known(known), "only": tuple(only or ()), "strict": strict}
        reports = [
            _checked(reporter, read_address(each), service, token, tls, timeout, show_all, settings)
            for each in addresses or ()
        ]
        if client is not None:
            reports.append(_checked_client(reporter, client, timeout, show_all, settings))
        _write(reporter, reports, junit, html)
    if any(report.failures for report in reports):
        raise typer.Exit(FAILED)


def _checked(
    reporter: Reporter,
    address: str,
    service: str,
    token: str,
    tls: TLS | None,
    timeout: float,
    show_all: bool,
    settings: dict[str, Any],
) -> Report:
    target = read_target(address, token, tls, timeout)
    dialect = ENV if service == "env" else MODEL
    report = run_checks(target, dialect, on_outcome=_shown(reporter, show_all), **settings)
    _show_summary(reporter, report)
    return report


def _checked_client(
    reporter: Reporter, command: str, timeout: float, show_all: bool, settings: dict[str, Any]
) -> Report:
    report = run_client_checks(
        command,
        command_client(command),
        timeout=max(timeout, _CLIENT_S),
        on_outcome=_shown(reporter, show_all),
        **settings,
    )
    _show_summary(reporter, report)
    return report


_CLIENT_S = 20.0
"""Shortest time that a client may take for an episode, its start included, in seconds."""


def _shown(reporter: Reporter, show_all: bool) -> Callable[[Outcome], None]:
    """Return what prints an outcome, unless it has passed or is not offered."""

    def show(outcome: Outcome) -> None:
        quiet = outcome.status in (Status.PASSED, Status.NOT_OFFERED) and not show_all
        if not reporter.json and not quiet:
            head, *lines = outcome_lines(outcome)
            reporter.out.print(Text(head, STYLES[outcome.status]))
            for line in lines:
                reporter.out.print(Text(line))

    return show


def _show_summary(reporter: Reporter, report: Report) -> None:
    if not reporter.json:
        reporter.out.print(Text(summary(report), "bold red" if report.failures else "bold green"))


def _write(
    reporter: Reporter, reports: list[Report], junit: Path | None, html: Path | None
) -> None:
    if reporter.json:
        facts = [json_facts(report) for report in reports]
        reporter.document(facts[0] if len(facts) == 1 else {"reports": facts})
    for path, text in ((junit, junit_xml), (html, html_page)):
        if path is not None:
            path.write_text(text(reports), encoding="utf-8")


def _read_known(path: Path | None) -> frozenset[str]:
    if path is None:
        return frozenset()
    try:
        return read_known(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageProblem(f"--known: {path}: {error}") from None


def _list(reporter: Reporter) -> None:
    table = rule_table()
    if reporter.json:
        reporter.document(table)
        return
    for rule, facts in table.items():
        words = ", ".join(facts["checks"]) or f"not judged: {facts['why']}"
        reporter.out.print(Text(f"{rule}  {words}"))
