"""`rlmesh adapt`: what fits a model to an environment, or every reason why it does not fit."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

import rlmesh
from rlmesh._cli.console import FAILED, Reporter, reporting
from rlmesh._cli.description import Description, ModelDescription, describe_any
from rlmesh._cli.logs import begin_log
from rlmesh._cli.models import RANDOM, Backend, ModelKwargs, is_address, load_model, model_class
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
from rlmesh.adapters import Adapter, Episode, Finding, ModelSpec, Probe, resolve
from rlmesh.backends import ArrayBackend, backend_names, registration
from rlmesh.errors import AdapterError
from rlmesh.options import TLS
from rlmesh.specs import EnvContract

if TYPE_CHECKING:
    from rlmesh._models.base import ModelBase

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
_Probe = Annotated[
    int,
    typer.Option(
        min=0,
        metavar="STEPS",
        help="play this many steps of an episode, and look for signs of wrong declarations",
    ),
]
_Instruction = Annotated[str | None, typer.Option(help="instruction of the episode of --probe")]


def adapt(
    address: Address,
    model: _Model,
    model_kwargs: ModelKwargs = "{}",
    backend: Backend = None,
    trust_entrypoints: _Trust = False,
    probe: _Probe = 0,
    instruction: _Instruction = None,
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

    The exit status is 1 if the model does not fit, with every reason, or if a probe has a caution.
    """
    with reporting("adapt", json=json, debug=debug) as reporter:
        begin_log(log_level, log_format, "warning")
        tls = tls_of(tls_authority, tls_certificate, tls_key)
        where = read_address(address)
        contract = _contract(where, token, tls, connect_timeout)
        spec, own, loaded = _spec(model, model_kwargs, backend, token, tls, connect_timeout)
        try:
            adapter = resolve(contract, spec, backend=own, trust_entrypoints=trust_entrypoints)
        except AdapterError as error:
            if not reporter.json:
                raise
            reporter.document({"fits": False, "problems": list(map(_problem, error.problems))})
            raise typer.Exit(FAILED) from None
        findings: tuple[Finding, ...] = ()
        if probe:
            seen = Probe(adapter, spec)
            # Without a model at hand, the actions are random, and only observations are looked at.
            player = loaded or model_class(backend)(rlmesh.RANDOM_SAMPLE)
            text = instruction if loaded is not None and adapter.writes_instruction else None
            with player.session(
                where, instruction=text, token=token, tls=tls, connect_timeout=connect_timeout
            ) as session:
                _play(session, adapter.episode(instruction), seen, probe, acts=loaded is not None)
            findings = seen.findings
        if reporter.json:
            found = [asdict(one) for one in findings]
            reporter.document({**adapter_facts(adapter), **({"findings": found} if probe else {})})
        else:
            _print(reporter, adapter)
            for one in findings:
                style = "yellow" if one.level == "caution" else "dim"
                reporter.out.print(Text(escape_control_chars(f"{one.level}: {one}"), style))
        if any(one.level == "caution" for one in findings):
            raise typer.Exit(FAILED)


def _play(session: Any, episode: Episode, probe: Probe, steps: int, *, acts: bool) -> None:
    """Play at most one episode, and look at its numbers."""
    observation, _ = session.reset(seed=0)
    for _ in range(steps):
        probe.observed(observation, episode.observe(observation))
        action = session.predict(observation)
        if acts:
            probe.acted(action)
        observation, *_ = session.step(action)
        if session.done:
            break
    probe.ended()


def _contract(address: str, token: str, tls: TLS | None, timeout: float) -> EnvContract:
    found = describe_any(address, token, tls, timeout)
    if not isinstance(found, Description):
        raise UsageProblem(f"{address}: expected the address of an environment, got a model's")
    return found.contract


def _spec(
    name: str, kwargs: str, backend: str | None, token: str, tls: TLS | None, timeout: float
) -> tuple[ModelSpec, ArrayBackend, ModelBase[Any, Any] | None]:
    """Return the spec of MODEL, the backend of its values, and the model if it is at hand."""
    read_choice(backend, "--backend", [name for name in backend_names() if name != "native"])
    own = registration(backend or "numpy").backend
    if is_address(name):
        found = describe_any(name, token, tls, timeout)
        if not isinstance(found, ModelDescription):
            raise UsageProblem(f"{name}: expected the address of a model, got an environment's")
        return found.model, own, None
    loaded = None if name == RANDOM else load(name)
    if isinstance(loaded, ModelSpec):
        return loaded, own, None
    model = load_model(name, kwargs, backend)
    if not model.model_spec.inputs and not model.model_spec.outputs:
        raise UsageProblem(f"{name}: expected a model with a ModelSpec, got one without")
    return model.model_spec, own, model


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
