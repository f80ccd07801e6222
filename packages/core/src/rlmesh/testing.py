"""Conformance of a peer as a test: the checks of `rlmesh check`, for pytest or any other runner.

def test_my_server_keeps_the_rules(my_address):
    rlmesh.testing.check_server(my_address)
"""

from __future__ import annotations

from collections.abc import Collection

from rlmesh._conformance.dialects import ENV, MODEL
from rlmesh._conformance.findings import Outcome, Status
from rlmesh._conformance.known import read_known
from rlmesh._conformance.report_text import report_text
from rlmesh._conformance.runner import Report, run_checks
from rlmesh._conformance.target import read_target
from rlmesh.options import TLS

__all__ = ["Outcome", "Report", "Status", "check_server"]


def check_server(
    address: str,
    *,
    service: str = "env",
    token: str = "",
    tls: TLS | None = None,
    timeout: float = 10.0,
    known: Collection[str] = (),
    only: Collection[str] = (),
    strict: bool = False,
) -> Report:
    """Check a server against the rules of the spec, and return the report.

    Args:
        address: Address of the server.
        service: "env" or "model".
        token: Bearer token; empty: none.
        tls: Certificates, for an address with TLS.
        timeout: Seconds that the server may take for an answer.
        known: Names of checks that are known to fail; each fails once it passes.
        only: Rules ("Q-4") or names of checks; empty: all.
        strict: Whether a broken SHOULD is a failure.

    Raises:
        AssertionError: If a check fails; its message is the report as text.
        ValueError: If there is no such service, or no check of a name in `known`.
        AddressError: If the text is not an address.
    """
    if service not in ("env", "model"):
        raise ValueError(f"service: expected 'env' or 'model', got {service!r}")
    report = run_checks(
        read_target(address, token, tls, timeout),
        ENV if service == "env" else MODEL,
        known=read_known("\n".join(known)),
        only=only,
        strict=strict,
    )
    if report.failures:
        raise AssertionError(report_text(report))
    return report
