"""`rlmesh serve`: an environment, one for each session, or a vector of them."""

from __future__ import annotations

import functools
import os
from pathlib import Path
from typing import Annotated, Any

import typer

import rlmesh
from rlmesh._cli.console import Reporter, reporting
from rlmesh._cli.logs import begin_log
from rlmesh._cli.metrics import Metrics, metrics_served
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
from rlmesh._cli.serve_env import serve_options, write_ready_fd
from rlmesh._cli.sources import UsageProblem, load, make_env, read_choice, read_object
from rlmesh._conformance.reference import ENVIRONMENTS
from rlmesh._reporting.words import escape_control_chars
from rlmesh.adapters import EnvTags
from rlmesh.specs import AutoresetMode

__all__ = ["ReadyFd", "read_descriptor", "serve", "serve_and_report"]

_Env = Annotated[
    str,
    typer.Argument(
        metavar="ENV",
        help="registered Gymnasium id (CartPole-v1), module:id (ale_py:ALE/Pong-v5), or "
        "module:callable that makes an environment; with --reference count, drawn, echo or lanes",
        show_default=False,
    ),
]
_Reference = Annotated[
    bool,
    typer.Option("--reference", help="serve an environment of `rlmesh check`, of known answers"),
]
_Lanes = Annotated[
    int | None,
    typer.Option("--num-envs", "--vector", min=1, help="serve a vector of this many environments"),
]


_Address = Annotated[str, typer.Option(help="address to listen on")]
_AutoresetMode = Annotated[
    str | None,
    typer.Option(help="of a vector: NextStep, SameStep or Disabled"),
]
_MaxSessions = Annotated[
    int, typer.Option(min=1, help="clients at a time, each with an environment of its own")
]
_Workers = Annotated[
    str | None,
    typer.Option(help="thread or process that runs each session's environment"),
]
_Kwargs = Annotated[
    str, typer.Option(metavar="JSON", help="arguments to make the environment with")
]
_RenderMode = Annotated[
    str | None,
    typer.Option(help="render mode to make the environment with"),
]
_Expose = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME", help="name that clients may reach; may be given again"),
]
_Tags = Annotated[
    str | None,
    typer.Option(
        metavar="MODULE:NAME",
        help="rlmesh.adapters.EnvTags: what the observations and actions mean",
        show_default="the environment's own rlmesh_tags",
    ),
]
_Announce = Annotated[
    Path | None,
    typer.Option(
        metavar="DIR",
        help="write the address to a file in this folder once clients can connect, for the "
        "evaluations that watch it (rlmesh.endpoints.Directory)",
    ),
]
_Validation = Annotated[
    str | None,
    typer.Option(help="off, warn or strict: observations outside their space"),
]
ReadyFd = Annotated[
    int | None,
    typer.Option(
        min=0, metavar="N", help="write the address to this descriptor once clients can connect"
    ),
]


def serve(
    env: _Env = "",
    reference: _Reference = False,
    address: _Address = "127.0.0.1:0",
    num_envs: _Lanes = None,
    autoreset_mode: _AutoresetMode = None,
    max_sessions: _MaxSessions = 1,
    workers: _Workers = None,
    kwargs: _Kwargs = "{}",
    render_mode: _RenderMode = None,
    expose: _Expose = None,
    tags: _Tags = None,
    validation: _Validation = None,
    ready_fd: ReadyFd = None,
    announce: _Announce = None,
    metrics: Metrics = None,
    token: Token = "",
    tls_authority: Authority = None,
    tls_certificate: Certificate = None,
    tls_key: Key = None,
    json: Json = False,
    debug: Debug = False,
    log_level: LogLevel = None,
    log_format: LogFormat = None,
) -> None:
    """Serve an environment until Ctrl-C or SIGTERM."""
    with reporting("serve", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "info")
        read_choice(workers, "--workers", ("thread", "process"))
        read_choice(validation, "--validation", ("off", "warn", "strict"))
        read_choice(autoreset_mode, "--autoreset-mode", [mode.value for mode in AutoresetMode])
        read_descriptor(ready_fd)
        if reference:
            make = _reference(env or "count", autoreset_mode)
            autoreset_mode = None
        elif env:
            given = read_object(kwargs, "--kwargs")
            make = functools.partial(_make, env, given, render_mode, num_envs)
        else:
            raise UsageProblem("ENV: expected the name of an environment, got none")
        with metrics_served(metrics, token) as metrics_url:
            server = rlmesh.EnvServer(
                **_hosted(make, max_sessions, workers),
                address=read_address(address),
                autoreset_mode=autoreset_mode,
                token=token,
                tls=tls_of(tls_authority, tls_certificate, tls_key),
                options=serve_options(validation),
                expose=expose or (),
                tags=_load_tags(tags),
                announce=announce,
            )
            serve_and_report(reporter, server, server.env_contract.id, ready_fd, metrics_url)


def _reference(name: str, mode: str | None) -> functools.partial[Any]:
    """Return what makes an environment of the kit.

    Raises:
        UsageProblem: If there is none of that name.
    """
    read_choice(name, "ENV", tuple(ENVIRONMENTS))
    return functools.partial(ENVIRONMENTS[name], AutoresetMode(mode or AutoresetMode.NEXT_STEP))


def _load_tags(name: str | None) -> EnvTags | None:
    """Return the tags that a command line names, or None.

    Raises:
        UsageProblem: If the name does not exist, or is something else.
    """
    if name is None:
        return None
    found = load(name)
    if not isinstance(found, EnvTags):
        kind = type(found).__name__
        raise UsageProblem(f"--tags: expected {name} to be EnvTags, got an object of {kind}")
    return found


def read_descriptor(ready_fd: int | None) -> None:
    """Check a descriptor before anything that may take long.

    Raises:
        UsageProblem: If the descriptor is not open.
    """
    try:
        if ready_fd is not None:
            os.fstat(ready_fd)
    except OSError:
        raise UsageProblem(f"--ready-fd: {ready_fd} is no open descriptor") from None


def _make(name: str, kwargs: dict[str, Any], render_mode: str | None, lanes: int | None) -> Any:
    """Return the environment, or a list of them; called in the worker process if there is one."""
    if lanes is None:
        return make_env(name, kwargs, render_mode)
    return [make_env(name, kwargs, render_mode) for _ in range(lanes)]


def _hosted(make: functools.partial[Any], max_sessions: int, workers: str | None) -> dict[str, Any]:
    """Return the arguments of `EnvServer` that choose the workers of environments."""
    if max_sessions == 1 and workers is None:
        return {"env": make()}
    return {"factory": make, "max_sessions": max_sessions, "workers": workers or "thread"}


def serve_and_report(
    reporter: Reporter, server: Any, name: str, ready_fd: int | None, metrics: str | None
) -> None:
    """Serve until stopped, and report the address once clients can connect.

    Args:
        reporter: Output of the command.
        server: An `EnvServer` or `ModelServer`.
        name: Name of the environment or model.
        ready_fd: Descriptor that gets the address; None: none.
        metrics: URL of the metrics; None: there is none.
    """

    def report_ready() -> None:
        if reporter.json:
            more = {} if metrics is None else {"metrics": metrics}
            reporter.document({"id": name, "address": server.address, **more})
        else:
            print(f"serving {escape_control_chars(name)} on {server.address}", flush=True)
        if ready_fd is not None:
            write_ready_fd(ready_fd, server.address)

    server.serve(on_ready=report_ready)
