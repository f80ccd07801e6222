"""Runs checks against a server, and collects their outcomes."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

from google.protobuf.message import DecodeError
from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.session.v1 import handshake_pb2
from rlmesh_proto.spaces.v1 import dtype_pb2, space_pb2

from rlmesh._conformance.checks import ALL_CHECKS
from rlmesh._conformance.connection import Record
from rlmesh._conformance.dialects import Dialect
from rlmesh._conformance.findings import Blocked, Failed, NotOffered, Outcome, Status
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import Check, Level, Stage
from rlmesh._conformance.streams import Ended, Silent
from rlmesh._conformance.target import Target

__all__ = ["Report", "judged", "run_checks", "settled"]

_FAILING = (Status.FAILED, Status.FIXED, Status.FAULT)
_OF_LEVEL = {
    Level.MUST: Status.FAILED,
    Level.SHOULD: Status.ADVICE,
    Level.MAY: Status.NOTED,
}


@dataclass
class Report:
    """The outcomes of the checks of one peer.

    Attributes:
        subject: The address, or the command of a client.
        peer: "env", "model" or "client".
        implementation: What the peer calls itself.
        outcomes: One outcome for each check.
    """

    subject: str
    peer: str
    implementation: str = ""
    outcomes: list[Outcome] = field(default_factory=list)

    @property
    def failures(self) -> list[Outcome]:
        """Outcomes that make the peer fail, in order.

        A check that is blocked although nothing has failed counts: the peer was not judged.
        """
        found = [outcome for outcome in self.outcomes if outcome.status in _FAILING]
        known = any(outcome.status is Status.KNOWN for outcome in self.outcomes)
        if found or known:
            return found
        return [outcome for outcome in self.outcomes if outcome.status is Status.BLOCKED]

    def count(self, status: Status) -> int:
        """Return the number of checks with a status."""
        return sum(outcome.status is status for outcome in self.outcomes)


def run_checks(
    target: Target,
    dialect: Dialect,
    *,
    contract: Any = None,
    known: Collection[str] = (),
    only: Collection[str] = (),
    strict: bool = False,
    stop_at_first: bool = False,
    on_outcome: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """Check a server.

    Args:
        target: Its address.
        dialect: The service that is checked.
        contract: Contract to open a model with; None: one with the spaces of its spec.
        known: Names of checks that are known to fail.
        only: Names of checks or numbers of rules; empty: all.
        strict: Whether a rule with SHOULD is as binding as one with MUST.
        stop_at_first: Whether the run ends with the first failure.
        on_outcome: Called with each outcome as soon as there is one.
    """
    report = Report(str(target.address), dialect.name)
    described = _description(target, dialect)
    offered = set(target.offers())
    if described is not None:
        report.implementation = described.server.implementation
        contract = _contract(dialect, described, contract)
        offered |= _offers(described, contract)
    broken: dict[Stage, str] = {}
    for check in _chosen(dialect.name, only):
        probe = Probe(target, dialect, described, contract)
        outcome = settled(_outcome(check, probe, offered, broken), known, strict)
        report.outcomes.append(outcome)
        on_outcome(outcome)
        if check.gate and outcome.status in (Status.FAILED, Status.KNOWN, Status.BLOCKED):
            broken.setdefault(check.stage, check.name)
        if stop_at_first and outcome.status in _FAILING:
            break
    return report


def _chosen(peer: str, only: Collection[str]) -> Iterable[Check]:
    for check in ALL_CHECKS:
        chosen = not only or check.name in only or check.rule in only or check.gate
        if peer in check.peers and chosen:
            yield check


def _description(target: Target, dialect: Dialect) -> Any:
    """Return what the server says of itself; None if it says nothing, which H-1 is about."""
    probe = Probe(target, dialect, None, None)
    try:
        return probe.describe()
    except (Failed, Ended, Silent, DecodeError):
        return None
    finally:
        probe.finish()


def _contract(dialect: Dialect, described: Any, given: Any) -> Any:
    if dialect.name == "env":
        return described.contract
    if given is not None:
        return given
    spec = described.spec
    contract = contract_pb2.EnvContract(id="rlmesh-check", num_envs=1)
    contract.observation_space.CopyFrom(spec.observation_space)
    contract.action_space.CopyFrom(spec.action_space)
    # A spec without spaces serves any; these are the ones of the reference.
    if not spec.HasField("observation_space"):
        contract.observation_space.CopyFrom(_discrete(100))
    if not spec.HasField("action_space"):
        contract.action_space.CopyFrom(_discrete(3))
    return contract


def _discrete(n: int) -> space_pb2.Space:
    return space_pb2.Space(discrete=space_pb2.Discrete(dtype=dtype_pb2.D_TYPE_INT64, n=n))


def _offers(described: Any, contract: Any) -> set[str]:
    """Return what a server offers, as the needs of checks name it."""
    names = handshake_pb2.Capability.DESCRIPTOR.values_by_number
    found = {
        names[number].name.removeprefix("CAPABILITY_")
        for number in described.server.capabilities
        if number in names
    }
    found.add("vector" if contract.vector else "single")
    served = described.contract if hasattr(described, "contract") else described.spec
    if served.id.startswith(_REFERENCE):
        found.add(f"subject:{served.id.removeprefix(_REFERENCE)}")
    found |= _families("obs", contract.observation_space) | _families("act", contract.action_space)
    if "act:ragged" not in found:
        found.add("fixed")
    if hasattr(described, "spec"):
        forms = {1: "SINGLE", 2: "BATCH_FORM", 3: "CHUNK", 4: "CHUNK_BATCH"}
        found |= {forms[form] for form in served.predict_forms if form in forms}
    return found


def _families(side: str, space: Any) -> set[str]:
    """Return the families of a space and of its parts ("obs:text")."""
    kind = space.WhichOneof("kind")
    if kind is None:
        return set()
    part = getattr(space, kind)
    found = {f"{side}:{kind}"}
    if kind in ("text", "sequence", "graph", "one_of"):
        found.add(f"{side}:ragged")
    if kind == "box" and part.dtype == 1:
        found.add(f"{side}:bool")
    if kind == "dict":
        children = [entry.space for entry in part.entries]
    elif kind in ("tuple", "one_of"):
        children = list(part.spaces)
    elif kind == "sequence":
        children = [part.space]
    elif kind == "graph":
        children = [part.node_space, part.edge_space]
        if part.HasField("edge_space"):
            found.add(f"{side}:edges")
    else:
        children = []
    return found.union(*(_families(side, child) for child in children))


_REFERENCE = "rlmesh.reference/"


def _missing(check: Check, offered: Collection[str]) -> str:
    for need in check.needs:
        if need.startswith("-"):
            if need[1:] in offered:
                return f"it has {need[1:]}"
        elif need not in offered:
            return f"it does not have {need}"
    return ""


def _outcome(
    check: Check, probe: Probe, offered: Collection[str], broken: dict[Stage, str]
) -> Outcome:
    gates = [name for stage, name in broken.items() if stage < check.stage]
    if gates:
        return judged(check, Status.BLOCKED, seen=f"{gates[0]} has failed")
    if missing := _missing(check, offered):
        return judged(check, Status.NOT_OFFERED, seen=missing)
    began = time.monotonic()
    try:
        outcome = made(check, probe)
    finally:
        probe.finish()
    return replace(outcome, seconds=time.monotonic() - began)


def made(check: Check, subject: Any) -> Outcome:
    """Make a check, and return its outcome with the record of `subject`."""
    try:
        check.run(subject)
    except Failed as failure:
        return judged(check, _OF_LEVEL[check.level], failure.expected, failure.seen, subject.record)
    except Blocked as reason:
        return judged(check, Status.BLOCKED, "", str(reason), subject.record)
    except NotOffered as reason:
        return judged(check, Status.NOT_OFFERED, "", str(reason))
    except (Ended, Silent, DecodeError) as error:
        seen = str(error) or type(error).__name__
        return judged(check, _OF_LEVEL[check.level], check.title, seen, subject.record)
    except Exception:
        text = traceback.format_exc(limit=-3)
        return judged(check, Status.FAULT, "no fault of the kit", text, subject.record)
    return judged(check, Status.PASSED)


def judged(
    check: Check, status: Status, expected: str = "", seen: str = "", record: Record | None = None
) -> Outcome:
    """Return an outcome of a check."""
    exchange = tuple((number, sender, data.hex(" ")) for number, sender, data in record or ())
    return Outcome(check.name, check.rule, check.title, status, expected, seen, exchange)


def settled(outcome: Outcome, known: Collection[str], strict: bool = False) -> Outcome:
    """Return an outcome in the light of the failures that are known.

    Args:
        outcome: What the check has found.
        known: Names of checks that are known to fail.
        strict: Whether advice is a failure.
    """
    status = outcome.status
    if strict and status is Status.ADVICE:
        status = Status.FAILED
    if outcome.check in known:
        status = {Status.FAILED: Status.KNOWN, Status.PASSED: Status.FIXED}.get(status, status)
    return replace(outcome, status=status)
