"""The gRPC binding (§3), and tokens over both bindings (§18)."""

from __future__ import annotations

from rlmesh._conformance.connection import described_answer, refused_with
from rlmesh._conformance.dialects import ENV, MODEL
from rlmesh._conformance.findings import Unanswered, expect
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import Level, Stage, check

BOTH = "env model"


@check("B-1", "grpc", peers=BOTH, stage=Stage.OPEN)
def unknown_method_is_unimplemented(probe: Probe) -> None:
    """Answer an unknown method with UNIMPLEMENTED."""
    status, _, _ = probe.target.call(probe.dialect.service, "NoSuchMethod", b"")
    expect(status == "UNIMPLEMENTED", "UNIMPLEMENTED", status)


@check("B-11", "grpc", peers=BOTH, stage=Stage.OPEN)
def unknown_service_is_unimplemented(probe: Probe) -> None:
    """Answer an unknown service with UNIMPLEMENTED."""
    status, _, _ = probe.target.call("rlmesh.proto.other.v1.Service", "Describe", b"")
    expect(status == "UNIMPLEMENTED", "UNIMPLEMENTED", status)


@check("B-6", "grpc", peers=BOTH, level=Level.SHOULD, stage=Stage.OPEN)
def health_is_serving(probe: Probe) -> None:
    """Serve SERVING as the health of the server and of its service."""
    for name in ("", probe.dialect.service):
        message = b"\x0a" + bytes([len(name)]) + name.encode() if name else b""
        status, data, _ = probe.target.call("grpc.health.v1.Health", "Check", message)
        expect((status, data) == ("OK", b"\x08\x01"), "SERVING", f"{status} {data.hex()}")


@check("B-6", "grpc", peers=BOTH, level=Level.SHOULD, stage=Stage.OPEN)
def health_of_another_name_is_unknown(probe: Probe) -> None:
    """Answer the health of an unknown service with NOT_FOUND."""
    status, _, _ = probe.target.call("grpc.health.v1.Health", "Check", b"\x0a\x01x")
    expect(status == "NOT_FOUND", "NOT_FOUND", status)


@check("B-7", "grpc", "token", peers=BOTH, level=Level.SHOULD, stage=Stage.OPEN)
def health_needs_no_token(probe: Probe) -> None:
    """Answer Health without a token."""
    status, _, _ = probe.target.call("grpc.health.v1.Health", "Check", b"", "")
    expect(status == "OK", "OK", status)


@check("Q-9", "grpc", peers=BOTH, stage=Stage.OPEN)
def empty_stream_ends(probe: Probe) -> None:
    """End a stream that the client ends before its first request."""
    connection = probe.connect()
    connection.stream.half_close()
    try:
        answer = connection.answer()
    except Unanswered:
        return
    refused_with(answer, "WRONG_STATE", "MALFORMED", closed=True)


_WRONG = ("", "wrong", "x" * 4096)


@check("Y-1", "token", peers=BOTH, stage=Stage.OPEN)
def token_is_needed(probe: Probe) -> None:
    """Refuse calls without the token, or with a wrong one, as UNAUTHENTICATED."""
    for token in _WRONG:
        _refusal(probe, token)


@check("Y-1", "token", peers=BOTH, stage=Stage.OPEN)
def token_is_compared_whole(probe: Probe) -> None:
    """Refuse a part of the token, and the token with something after it."""
    right = probe.target.token
    for token in (right[:-1], right + "x", right.swapcase()):
        if token != right:
            _refusal(probe, token)


@check("Y-1", "token", peers=BOTH, stage=Stage.OPEN)
def refusals_of_tokens_look_alike(probe: Probe) -> None:
    """Refuse a missing and a wrong token with the same text."""
    texts = {_refusal(probe, token) for token in _WRONG}
    expect(len(texts) == 1, "one text", texts)


def _refusal(probe: Probe, token: str) -> str:
    """Expect UNAUTHENTICATED for a token, and return its text."""
    if probe.target.address.is_frames:
        connection = probe.connect(token)
        answer = connection.answer()
        failure = refused_with(answer, "UNAUTHENTICATED", closed=True)
        expect(answer.sequence == 0, "sequence 0", described_answer(answer))
        return str(failure.message)
    service = probe.dialect.service
    status, _, details = probe.target.call(service, "Describe", b"", token)
    expect(status == "UNAUTHENTICATED", "UNAUTHENTICATED", status)
    return details


@check("Y-1", "token", "grpc", peers=BOTH, stage=Stage.OPEN)
def token_is_needed_for_a_session(probe: Probe) -> None:
    """End a `Session` without the token as UNAUTHENTICATED, before it reads a frame."""
    connection = probe.connect("wrong")
    status = connection.end()
    expect(status == "UNAUTHENTICATED", "UNAUTHENTICATED", status)


@check("B-4", "token", "grpc", peers=BOTH, stage=Stage.OPEN)
def scheme_of_the_token_has_no_case(probe: Probe) -> None:
    """Compare the scheme `Bearer` without case."""
    token = probe.target.token
    status = probe.target.call_with(
        probe.dialect.service, "Describe", [("authorization", f"bEARER {token}")]
    )
    expect(status == "OK", "OK", status)


@check("U-2", "grpc", peers=BOTH, level=Level.MAY, stage=Stage.OPEN)
def other_service_may_be_served(probe: Probe) -> None:
    """Serve environment and model at one address, or answer the other one with UNIMPLEMENTED."""
    other = MODEL if probe.dialect is ENV else ENV
    status, _, _ = probe.target.call(other.service, "Describe", b"")
    expect(status in ("OK", "UNIMPLEMENTED"), "OK or UNIMPLEMENTED", status)
