"""`rlmesh serve-model`: a model as an endpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

import rlmesh
from rlmesh._cli.console import reporting
from rlmesh._cli.logs import begin_log
from rlmesh._cli.metrics import Metrics, metrics_served
from rlmesh._cli.models import Backend, ModelKwargs, ModelName, load_model
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
from rlmesh._cli.serve import ReadyFd, read_descriptor, serve_and_report
from rlmesh._cli.sources import UsageProblem, read_choice
from rlmesh._conformance.reference import MODELS, new_model

if TYPE_CHECKING:
    from rlmesh._models.base import ModelBase

__all__ = ["serve_model"]

_Reference = Annotated[
    bool,
    typer.Option("--reference", help="serve a model of `rlmesh check`: MODEL is sum or ramp"),
]
_Address = Annotated[str, typer.Option(help="address to listen on")]
_MaxBatchSize = Annotated[
    int | None, typer.Option(min=1, help="largest number of observations in one call")
]
_MaxBatchDelay = Annotated[
    float | None, typer.Option(min=0, help="milliseconds that the first observation may wait")
]


def serve_model(
    model: ModelName = "",
    reference: _Reference = False,
    address: _Address = "127.0.0.1:0",
    max_batch_size: _MaxBatchSize = None,
    max_batch_delay_ms: _MaxBatchDelay = None,
    model_kwargs: ModelKwargs = "{}",
    backend: Backend = None,
    ready_fd: ReadyFd = None,
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
    """Serve a model until Ctrl-C or SIGTERM."""
    with reporting("serve-model", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "info")
        read_descriptor(ready_fd)
        batching = {"max_batch_size": max_batch_size, "max_batch_delay_ms": max_batch_delay_ms}
        given = {name: value for name, value in batching.items() if value is not None}
        with metrics_served(metrics, token) as metrics_url:
            server = rlmesh.ModelServer(
                _model(model, reference, model_kwargs, backend),
                read_address(address),
                token=token,
                tls=tls_of(tls_authority, tls_certificate, tls_key),
                options=rlmesh.ServeOptions.from_environment(**given),
            )
            serve_and_report(reporter, server, server.spec.id, ready_fd, metrics_url)


def _model(name: str, reference: bool, kwargs: str, backend: str | None) -> ModelBase[Any, Any]:
    """Return the model that a command line names.

    Raises:
        UsageProblem: If it names none.
    """
    if reference:
        return new_model(read_choice(name or "sum", "MODEL", tuple(MODELS)))
    if not name:
        raise UsageProblem("MODEL: expected the name of a model, got none")
    return load_model(name, kwargs, backend)
