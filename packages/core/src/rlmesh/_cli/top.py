"""`rlmesh top`: the sessions, rates and holders of servers, live."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.live import Live
from rich.table import Table
from rich.text import Text

from rlmesh._cli.console import reporting
from rlmesh._cli.logs import begin_log
from rlmesh._cli.metrics import is_loopback
from rlmesh._cli.parameters import Debug, Json, LogFormat, LogLevel, Timeout, Token
from rlmesh._cli.scrape import MetricsAddress, SampledServer, SampledSession, rate, scrape
from rlmesh._logs import warn
from rlmesh._reporting.words import escape_control_chars
from rlmesh.errors import ConnectError

__all__ = ["top"]

_Addresses = Annotated[
    list[str],
    typer.Argument(
        metavar="ADDRESS...",
        help="host:port of the metrics of a server (`rlmesh serve --metrics`), or a port",
        show_default=False,
    ),
]
_Interval = Annotated[float, typer.Option(min=0.1, max=3600, help="seconds between two looks")]
_Count = Annotated[
    int | None,
    typer.Option(
        min=1,
        help="number of looks; the first one is to know rates",
        show_default="until Ctrl-C in a terminal, otherwise 2",
    ),
]

_COLUMNS = ("server, client", "id, held", "open", "queue", "steps/s", "ms", "episodes", "errors")

Seen = dict[tuple[str, str, str], SampledServer]
"""The type of the servers of a look, by metrics address, address and id."""


def top(
    addresses: _Addresses,
    interval: _Interval = 2.0,
    count: _Count = None,
    token: Token = "",
    connect_timeout: Timeout = 10.0,
    json: Json = False,
    debug: Debug = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Show the sessions of servers, their rates and the clients that hold them, live."""
    with reporting("top", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        places = [MetricsAddress.parse(address) for address in addresses]
        for place in places:
            if token and not is_loopback(place.host):
                warn(f"the token goes to {place.text} unencrypted", RuntimeWarning, stacklevel=2)
        is_live = reporter.out.is_terminal and not json
        left = count if count is not None or is_live else 2
        before: Seen = {}
        live = Live(console=reporter.out, auto_refresh=False, screen=False) if is_live else None
        with live or contextlib.nullcontext():
            while True:
                now, failures = _look(places, token, connect_timeout)
                if live is not None:
                    live.update(_table(now, before, failures), refresh=True)
                left = None if left is None else left - 1
                if left == 0:
                    break
                before = now
                time.sleep(interval)
        if reporter.json:
            reporter.document(_facts(now, before, failures))
        elif live is None:
            reporter.out.print(_table(now, before, failures))
        if failures and not now:
            raise ConnectError("; ".join(failures.values()), address=next(iter(failures)))


def _look(
    places: Sequence[MetricsAddress], token: str, timeout: float
) -> tuple[Seen, dict[str, str]]:
    """Return the servers at all addresses, and why an address has none."""
    seen: Seen = {}
    failures: dict[str, str] = {}
    for place in places:
        try:
            found = scrape(place, token, timeout)
        except ConnectError as error:
            failures[place.text] = error.message
            continue
        for server in found:
            seen[place.text, server.address, server.id] = server
    return seen, failures


def _rates(server: SampledServer, before: SampledServer | None) -> dict[str, float | None]:
    """Return steps a second, and the mean duration of a request in milliseconds, since `before`."""
    if before is None:
        return {"steps_per_second": None, "mean_ms": None}
    requests = server.requests - before.requests
    seconds = server.seconds - before.seconds
    mean = 1000 * seconds / requests if requests > 0 and seconds >= 0 else None
    steps = rate(server.steps, before.steps, server.at - before.at)
    return {"steps_per_second": steps, "mean_ms": mean}


def _session_rate(
    name: str, session: SampledSession, server: SampledServer, before: SampledServer | None
) -> float | None:
    earlier = None if before is None else before.holders.get(name)
    if before is None or earlier is None:
        return None
    return rate(session.steps, earlier.steps, server.at - before.at)


def _facts(now: Seen, before: Seen, failures: Mapping[str, str]) -> dict[str, Any]:
    """Return a look in the form of JSON."""
    servers: list[dict[str, Any]] = []
    for key, server in now.items():
        earlier = before.get(key)
        facts = asdict(server)
        facts.pop("at")
        facts["sessions"], facts["queue"] = int(server.sessions), int(server.queue)
        facts["holders"] = [
            {
                "session": name,
                **asdict(session),
                "steps_per_second": _session_rate(name, session, server, earlier),
            }
            for name, session in server.holders.items()
        ]
        servers.append({"metrics": key[0], **facts, **_rates(server, earlier)})
    return {"servers": servers, "failures": dict(failures)}


def _table(now: Seen, before: Seen, failures: Mapping[str, str]) -> Table:
    """Return a look as a table: a row for each server, and one below for each of its sessions."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in _COLUMNS:
        left = name in (*_COLUMNS[:2], "errors")
        table.add_column(
            name,
            justify="left" if left else "right",
            no_wrap=name != "errors",
            overflow="fold" if name == "errors" else "ellipsis",
        )
    for key, server in now.items():
        earlier = before.get(key)
        rates = _rates(server, earlier)
        table.add_row(
            _text(server.address or key[0], "bold cyan"),
            _text(server.id),
            f"{server.sessions:.0f}",
            f"{server.queue:.0f}",
            _number(rates["steps_per_second"], "{:,.0f}"),
            _number(rates["mean_ms"], "{:.2f}"),
            f"{server.episodes:,.0f}",
            _text(", ".join(f"{code} {n:.0f}" for code, n in sorted(server.errors.items()))),
        )
        for name, session in sorted(server.holders.items(), key=lambda one: -one[1].held_seconds):
            away = f", away {session.away_seconds:.1f} s" if session.away_seconds else ""
            table.add_row(
                _text(f"  {session.client}"),
                Text(f"{session.held_seconds:.1f} s{away}", "yellow" if away else "dim"),
                "",
                "",
                _number(_session_rate(name, session, server, earlier), "{:,.0f}"),
            )
    for address, reason in failures.items():
        table.add_row(_text(address, "red"), _text(reason.removeprefix(f"{address}: "), "red"))
    return table


def _number(value: float | None, form: str) -> str:
    return "-" if value is None else form.format(value)


def _text(words: str, style: str = "") -> Text:
    """Return words of a peer as Text, because they must not be read as markup."""
    return Text(escape_control_chars(words), style)
