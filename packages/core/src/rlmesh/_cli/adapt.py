"""`rlmesh adapt`: what fits a model to an environment, or every reason why it does not fit."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from rlmesh._cli.console import FAILED, Reporter, reporting
from rlmesh._cli.description import Description, ModelDescription, describe_any
from rlmesh._cli.logs import begin_log
from rlmesh._cli.models import RANDOM, Backend, ModelKwargs, is_address, load_model
from rlmesh._cli.parameters import (
    Address,
    Authority,
    Certificate,
    Debug,
    Json,
    Key,
    LogFormat,
    LogLevel,
    Timeout,
    Token,
    read_address,
    tls_of,
)
from rlmesh._cli.sources import UsageProblem, load, read_choice
from rlmesh._problem import Problem
from rlmesh._reporting.words import escape_control_chars
from rlmesh.adapters import Adapter, ModelSpec
from rlmesh.backends import ArrayBackend, backend_names, registration
from rlmesh.errors import AdapterError
from rlmesh.options import TLS
from rlmesh.specs import EnvContract

__all__ = ["adapt", "adapter_facts"]

_Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="module:name of a Model with a spec or of a ModelSpec, or the address of a served one",
        show_default=False,
    ),
]
_Trust = Annotated[
    bool,
    typer.Option(
        "--trust-entrypoints", help="import the callables that the spec names: it runs their code"
    ),
]


def adapt(
    address: Address,
    model: _Model,
    model_kwargs: ModelKwargs = "{}",
    backend: Backend = None,
    trust_entrypoints: _Trust = False,
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
    """Show the conversions between a served environment and a model, before anything runs.

    The exit status is 1 if the model does not fit; every reason is listed.
    """
    with reporting("adapt", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        tls = tls_of(tls_authority, tls_certificate, tls_key)
        contract = _contract(read_address(address), token, tls, connect_timeout)
        spec, own = _spec(model, model_kwargs, backend, token, tls, connect_timeout)
        from rlmesh.adapters import resolve

        try:
            adapter = resolve(contract, spec, backend=own, trust_entrypoints=trust_entrypoints)
        except AdapterError as error:
            if not reporter.json:
                raise
            reporter.document({"fits": False, "problems": list(map(_problem, error.problems))})
            raise typer.Exit(FAILED) from None
        if reporter.json:
            reporter.document(adapter_facts(adapter))
        else:
            _print(reporter, adapter)


def _contract(address: str, token: str, tls: TLS | None, timeout: float) -> EnvContract:
    found = describe_any(address, token, tls, timeout)
    if not isinstance(found, Description):
        raise UsageProblem(f"{address}: expected the address of an environment, got a model's")
    return found.contract


def _spec(
    name: str, kwargs: str, backend: str | None, token: str, tls: TLS | None, timeout: float
) -> tuple[ModelSpec, ArrayBackend]:
    """Return the spec of MODEL, and the backend of its values."""
    read_choice(backend, "--backend", [name for name in backend_names() if name != "native"])
    own = registration(backend or "numpy").backend
    if is_address(name):
        found = describe_any(name, token, tls, timeout)
        if not isinstance(found, ModelDescription):
            raise UsageProblem(f"{name}: expected the address of a model, got an environment's")
        return found.model, own
    loaded = None if name == RANDOM else load(name)
    if isinstance(loaded, ModelSpec):
        return loaded, own
    model = load_model(name, kwargs, backend)
    if not model.model_spec.inputs and not model.model_spec.outputs:
        raise UsageProblem(f"{name}: expected a model with a ModelSpec, got one without")
    return model.model_spec, own


def adapter_facts(adapter: Adapter) -> dict[str, Any]:
    """Return what an adapter does in the form of JSON."""
    explained = adapter.explain()
    return {
        "fits": True,
        "plan": [asdict(row) for row in explained.rows],
        "advisories": [asdict(one) for one in explained.advisories],
    }


def _problem(problem: Problem) -> dict[str, str]:
    return {name: getattr(problem, name) for name in ("path", "expected", "actual", "fix")}


def _print(reporter: Reporter, adapter: Adapter) -> None:
    explained = adapter.explain()
    if not explained.rows:
        reporter.out.print(str(explained))
        return
    table = Table("from", "conversions", "to")
    for row in explained.rows:
        steps = ", ".join(row.steps) or "unchanged"
        table.add_row(*(Text(escape_control_chars(t)) for t in (row.source, steps, row.target)))
    reporter.out.print(table)
    for one in explained.advisories:
        style = "yellow" if one.level == "caution" else "dim"
        line = escape_control_chars(f"{one.level}: {one.path}: {one.message}")
        reporter.out.print(Text(line, style))
