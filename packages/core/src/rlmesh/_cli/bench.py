"""`rlmesh bench`: the duration of a step over each available transport."""

from __future__ import annotations

import statistics
import time
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from rlmesh._cli.console import reporting
from rlmesh._cli.description import Description, describe
from rlmesh._cli.logs import begin_log
from rlmesh._cli.parameters import (
    Address,
    Authority,
    Certificate,
    Debug,
    Json,
    Key,
    LogFormat,
    LogLevel,
    Seed,
    Timeout,
    Token,
    read_address,
    tls_of,
)
from rlmesh._cli.random_driver import RandomDriver, connect
from rlmesh._cli.sources import read_choice
from rlmesh._reporting.words import escape_control_chars
from rlmesh._transport.address import parse_address
from rlmesh.errors import UnsupportedError

__all__ = ["bench"]

_TRANSPORTS = ("frames", "grpc")
_WARM_UP = 20
"""Number of first steps that are not counted."""

_ACTIONS = 256
"""Number of actions that are drawn before the clock starts."""

_COLUMNS = ("transport", "steps/s", "median us", "25% us", "75% us", "steps", "reset us", "resets")


_Seconds = Annotated[
    float, typer.Option(min=0.05, max=86_400, help="how long to step over each transport")
]
_Transport = Annotated[
    str | None,
    typer.Option(help="frames or grpc", show_default="all available"),
]


def bench(
    address: Address,
    seconds: _Seconds = 2.0,
    transport: _Transport = None,
    seed: Seed = 0,
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
    """Measure steps with random actions: steps a second, median and quartiles, resets apart."""
    with reporting("bench", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        read_choice(transport, "--transport", _TRANSPORTS)
        tls = tls_of(tls_authority, tls_certificate, tls_key)
        description = describe(read_address(address), token, tls, connect_timeout)
        facts: dict[str, Any] = {
            "address": description.address,
            "env_id": description.contract.id,
            "num_envs": description.contract.num_envs,
            "transports": {},
            "unavailable": {},
        }
        names = [transport] if transport else list(_TRANSPORTS)
        if parse_address(description.address).is_frames and not transport:
            names.remove("grpc")
            facts["unavailable"]["grpc"] = "the server has frames alone"
        for name in names:
            try:
                facts["transports"][name] = _over(
                    description, seconds, seed, transport=name, token=token, tls=tls,
                    connect_timeout=connect_timeout,
                )  # fmt: skip
            except UnsupportedError as error:
                if transport:
                    raise
                facts["unavailable"][name] = error.message
        if reporter.json:
            reporter.document(facts)
        else:
            reporter.out.print(_table(facts))


def _over(description: Description, seconds: float, seed: int, **arguments: Any) -> dict[str, Any]:
    with connect(description, **arguments) as env:
        driver = RandomDriver(env, seed)
        actions = [driver.action() for _ in range(_ACTIONS)]
        _measure(driver, actions, count=_WARM_UP)
        steps, resets = _measure(driver, actions, seconds=seconds)
    return {
        # A step of a vector is one step of each lane.
        "steps_per_second": description.contract.num_envs * len(steps) / sum(steps),
        "step_us": _spread(steps),
        "steps": len(steps),
        "reset_us": _spread(resets) if resets else None,
        "resets": len(resets),
    }


def _measure(
    driver: RandomDriver, actions: Sequence[Any], *, seconds: float = 0.0, count: int = 1
) -> tuple[list[float], list[float]]:
    """Return the seconds of each step and reset, for `seconds` and at least `count` steps."""
    steps: list[float] = []
    resets: list[float] = []
    end = time.perf_counter() + seconds
    while len(steps) < count or time.perf_counter() < end:
        if driver.must_reset:
            resets.append(driver.reset())
        else:
            steps.append(driver.step(actions[len(steps) % len(actions)]))
    return steps, resets


def _spread(seconds: list[float]) -> dict[str, float]:
    """Return median and quartiles, in microseconds."""
    if len(seconds) == 1:
        return dict.fromkeys(("lower_quartile", "median", "upper_quartile"), 1e6 * seconds[0])
    low, middle, high = statistics.quantiles(seconds, n=4, method="inclusive")
    return {"lower_quartile": 1e6 * low, "median": 1e6 * middle, "upper_quartile": 1e6 * high}


def _table(facts: dict[str, Any]) -> Table:
    lanes = f", {facts['num_envs']} lanes" if facts["num_envs"] > 1 else ""
    title = Text(escape_control_chars(f"{facts['env_id']} at {facts['address']}{lanes}"), "bold")
    table = Table(title=title, box=None, title_justify="left", padding=(0, 1))
    for column in _COLUMNS:
        table.add_column(column, justify="left" if column == "transport" else "right")
    for name, measured in facts["transports"].items():
        step, reset = measured["step_us"], measured["reset_us"]
        table.add_row(
            name,
            f"{measured['steps_per_second']:.0f}",
            *(f"{step[key]:.1f}" for key in ("median", "lower_quartile", "upper_quartile")),
            str(measured["steps"]),
            f"{reset['median']:.1f}" if reset else "",
            str(measured["resets"]),
        )
    for name, reason in facts["unavailable"].items():
        table.add_row(name, Text(escape_control_chars(reason)))
    return table
