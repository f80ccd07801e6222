"""Descriptions and `open`: §2 and §4."""

from __future__ import annotations

import re
from typing import Any

from rlmesh_proto import SPEC_VERSION
from rlmesh_proto.session.v1 import handshake_pb2

from rlmesh._conformance.connection import described_answer, refused_with
from rlmesh._conformance.dialects import peer_info
from rlmesh._conformance.findings import expect
from rlmesh._conformance.probe import Probe
from rlmesh._conformance.registry import Stage, check

BOTH = "env model"


@check("H-1", peers=BOTH, stage=Stage.CONNECT, gate=True)
def describe_is_answered(probe: Probe) -> None:
    """Answer `Describe` without a session."""
    probe.describe()


@check("U-4", peers=BOTH, stage=Stage.DESCRIBE)
def description_is_complete(probe: Probe) -> None:
    """Send every required field in the answer to `Describe`."""
    answer = probe.describe()
    served = "contract" if probe.dialect.name == "env" else "spec"
    for name in ("server", served, "terms"):
        expect(answer.HasField(name), f"DescribeResponse.{name}", "none")
    expect(answer.server.spec_version, "PeerInfo.spec_version", "an empty one")


@check("E-1", peers=BOTH, stage=Stage.DESCRIBE)
def spec_version_is_one(probe: Probe) -> None:
    """Send a spec version that is final (MAJOR.MINOR.PATCH) or a pre-release."""
    version = probe.described.server.spec_version
    final = re.fullmatch(r"(0|[1-9]\d*)(\.(0|[1-9]\d*)){2}", version)
    early = ("rc" in version or "-" in version) and "+" not in version
    expect(final or early, "1.2.3, 1.2.3rc1 or 1.2.3-rc.1", version)


@check("E-7", peers=BOTH, stage=Stage.DESCRIBE)
def spec_digest_is_one(probe: Probe) -> None:
    """Send as `spec_digest` 64 lower-case hexadecimal digits, or nothing."""
    digest = probe.described.server.spec_digest
    expect(re.fullmatch(r"([0-9a-f]{64})?", digest), "64 hexadecimal digits, or none", digest)


@check("H-1", peers=BOTH, stage=Stage.DESCRIBE)
def describe_serves_every_version(probe: Probe) -> None:
    """Answer `Describe` whatever the client's version is."""
    for version in ("0.0.1", "99.0.0", "", "nonsense"):
        probe.describe(peer_info(version=version))


@check("H-6", peers=BOTH, stage=Stage.OPEN, gate=True)
def open_is_answered(probe: Probe) -> None:
    """Answer `open` with OpenResponse."""
    probe.try_open()


@check("H-6", peers=BOTH, stage=Stage.OPEN)
def open_answer_has_sequence_0(probe: Probe) -> None:
    """Answer `open` with sequence 0 and `received_sequence` 0."""
    _, answer = probe.exchange_open(probe.open_request())
    expect(answer.sequence == 0, "sequence 0", answer.sequence)
    received = answer.open.header.received_sequence
    expect(received == 0, "received_sequence 0", received)


@check("H-6", peers=BOTH, stage=Stage.OPEN)
def open_answer_is_complete(probe: Probe) -> None:
    """Send server, contract or spec, and terms with a new session."""
    opened = probe.open().opened
    served = "contract" if probe.dialect.name == "env" else "spec"
    for name in ("header", served):
        expect(opened.HasField(name), f"OpenResponse.{name}", "none")
    for name in ("server", "terms"):
        expect(opened.header.HasField(name), f"OpenedHeader.{name}", "none")


@check("H-7", peers=BOTH, stage=Stage.OPEN)
def session_ids_are_unique(probe: Probe) -> None:
    """Give each session an id that is not empty and is its own."""
    found = []
    for _ in range(4):
        session = probe.open()
        found.append(session.header.session_id)
        session.finish()
    expect(all(found) and len(set(found)) == len(found), "4 different ids", found)


@check("H-8", "RESUME", peers=BOTH, stage=Stage.OPEN)
def resume_key_is_long(probe: Probe) -> None:
    """Send a resume key of at least 16 bytes if both peers list RESUME."""
    header = probe.open().header
    if header.terms.grace_period_ms:
        expect(len(header.resume_key) >= 16, "at least 16 bytes", header.resume_key.hex())


@check("H-8", "RESUME", peers=BOTH, stage=Stage.OPEN)
def resume_keys_differ(probe: Probe) -> None:
    """Draw the resume key of each session anew."""
    keys = []
    for _ in range(2):
        session = probe.open()
        keys.append(session.key)
        session.finish()
    expect(keys[0] != keys[1] or not keys[0], "two different keys", keys[0].hex())


@check("H-8", peers=BOTH, stage=Stage.OPEN)
def no_resume_key_without_resume(probe: Probe) -> None:
    """Send neither a resume key nor a grace period to a client that does not list RESUME."""
    header = probe.open(capabilities=()).header
    expect(not header.resume_key, "no resume_key", header.resume_key.hex())
    grace = header.terms.grace_period_ms
    expect(grace == 0, "grace_period_ms 0", grace)


@check("H-1", peers=BOTH, stage=Stage.OPEN)
def description_equals_that_of_the_session(probe: Probe) -> None:
    """Describe the contract (the spec) that sessions have."""
    opened = probe.open().opened
    served = "contract" if probe.dialect.name == "env" else "spec"
    expect(
        getattr(opened, served) == getattr(probe.described, served),
        f"the {served} of describe",
        f"another {served} in open",
    )


@check("H-1", peers=BOTH, stage=Stage.OPEN)
def describe_is_answered_while_held(probe: Probe) -> None:
    """Answer `Describe` while a session holds the instance."""
    probe.open()
    probe.describe()


def _refused_open(probe: Probe, request: Any, *codes: str) -> Any:
    """Send a first request that has to be refused; return the Failure."""
    _, answer = probe.exchange_open(request)
    return refused_with(answer, *codes)


@check("H-2", peers=BOTH, stage=Stage.OPEN)
def first_request_is_open(probe: Probe) -> None:
    """Answer another first request than `open` with WRONG_STATE."""
    _refused_open(probe, probe.numbered(0), "WRONG_STATE")


@check("H-2", peers=BOTH, stage=Stage.OPEN)
def first_request_keeps_its_sequence(probe: Probe) -> None:
    """Repeat the number of a first request that is refused, with `session_closed`."""
    answer = probe.connect().exchange(probe.numbered(7))
    refused_with(answer, "WRONG_STATE", "MALFORMED", closed=True)
    expect(answer.sequence == 7, "sequence 7", described_answer(answer))


@check("H-2", peers=BOTH, stage=Stage.OPEN)
def open_with_a_number_is_malformed(probe: Probe) -> None:
    """Answer an `open` with another sequence than 0 with MALFORMED."""
    request = probe.open_request()
    request.sequence = 3
    _refused_open(probe, request, "MALFORMED")


@check("H-2", peers=BOTH, stage=Stage.OPEN)
def refused_first_request_ends_the_stream(probe: Probe) -> None:
    """End the stream after a first request that is refused."""
    connection = probe.connect()
    connection.exchange(probe.numbered(0))
    connection.end()


@check("H-3", peers=BOTH, stage=Stage.OPEN)
def open_needs_a_client(probe: Probe) -> None:
    """Answer an `open` without `client` with MALFORMED."""
    header = handshake_pb2.OpenHeader(wait_ms=0)
    request = probe.dialect.open_request(header, probe.contract)
    request.open.SetInParent()
    _refused_open(probe, request, "MALFORMED")


def _strange(version: str, **header: Any) -> Any:
    return handshake_pb2.OpenHeader(client=peer_info(version=version), **header)


STRANGE = "0.0.1"
"""A version that no other one talks to."""


@check("H-4", peers=BOTH, stage=Stage.OPEN)
def versions_that_do_not_talk_are_refused(probe: Probe) -> None:
    """Answer an `open` of a version that does not talk with UNSUPPORTED_VERSION."""
    for version in (STRANGE, "nonsense", "", f"{SPEC_VERSION}+build"):
        request = probe.dialect.open_request(_strange(version), probe.contract)
        _refused_open(probe, request, "UNSUPPORTED_VERSION")


@check("E-2", peers=BOTH, stage=Stage.OPEN)
def pre_releases_talk_to_equal_ones_alone(probe: Probe) -> None:
    """Refuse a pre-release that is not the server's own version."""
    own = probe.described.server.spec_version
    major = own.split(".")[0]
    early = "rc" in own or "-" in own
    for version in (f"{major}.0.0rc999", f"{major}.0.0" if early else f"{major}.0.0-rc.1"):
        request = probe.dialect.open_request(_strange(version), probe.contract)
        _refused_open(probe, request, "UNSUPPORTED_VERSION")


@check("H-4", peers=BOTH, stage=Stage.OPEN)
def refused_version_names_the_right_ones(probe: Probe) -> None:
    """List the versions that it talks in `choices`, its own first."""
    request = probe.dialect.open_request(_strange(STRANGE), probe.contract)
    failure = _refused_open(probe, request, "UNSUPPORTED_VERSION")
    own = probe.described.server.spec_version
    choices = list(failure.choices)
    expect(choices[:1] == [own], f"choices that begin with {own}", choices)


@check("H-4", peers=BOTH, stage=Stage.OPEN)
def refused_version_has_both_in_its_message(probe: Probe) -> None:
    """Name both versions in the message of UNSUPPORTED_VERSION."""
    request = probe.dialect.open_request(_strange(STRANGE), probe.contract)
    failure = _refused_open(probe, request, "UNSUPPORTED_VERSION")
    own = probe.described.server.spec_version
    named = own in failure.message and STRANGE in failure.message
    expect(named, f"{own} and {STRANGE} in the message", failure.message)


@check("H-3", peers=BOTH, stage=Stage.OPEN)
def version_is_checked_before_resume(probe: Probe) -> None:
    """Check the version of an `open` before its `resume`."""
    resume = handshake_pb2.Resume(session_id="none", resume_key=bytes(16), awaited_sequence=1)
    request = probe.dialect.open_request(_strange(STRANGE, resume=resume))
    _refused_open(probe, request, "UNSUPPORTED_VERSION")


@check("H-3", peers=BOTH, stage=Stage.OPEN)
def refused_open_has_sequence_0(probe: Probe) -> None:
    """Refuse an `open` with sequence 0 and `session_closed`."""
    answer = probe.connect().exchange(probe.dialect.open_request(_strange(STRANGE), probe.contract))
    refused_with(answer, "UNSUPPORTED_VERSION", closed=True)
    expect(answer.sequence == 0, "sequence 0", described_answer(answer))


@check("H-3", peers=BOTH, stage=Stage.OPEN)
def refused_open_ends_the_stream(probe: Probe) -> None:
    """End the stream after an `open` that is refused."""
    connection = probe.connect()
    connection.exchange(probe.dialect.open_request(_strange(STRANGE), probe.contract))
    connection.end()


@check("E-7", peers=BOTH, stage=Stage.OPEN)
def digests_are_not_compared(probe: Probe) -> None:
    """Serve a client with another spec digest."""
    _served(probe, handshake_pb2.OpenHeader(client=peer_info(spec_digest="0" * 64)))


@check("E-10", peers=BOTH, stage=Stage.OPEN)
def software_is_not_judged(probe: Probe) -> None:
    """Serve a client whatever software it names."""
    _served(probe, handshake_pb2.OpenHeader(client=peer_info(software={"python": "2.7"})))


@check("E-9", peers=BOTH, stage=Stage.OPEN)
def unknown_extensions_are_ignored(probe: Probe) -> None:
    """Ignore extensions that it does not know."""
    names = ["check.example/tactile/1", "x" * 256]
    _served(probe, handshake_pb2.OpenHeader(client=peer_info(extensions=names)))


@check("H-9", peers=BOTH, stage=Stage.OPEN)
def unknown_capabilities_are_ignored(probe: Probe) -> None:
    """Ignore capabilities that it does not know, UNSPECIFIED, and repetitions."""
    client = peer_info(("RESUME", "RESUME"))
    client.capabilities.extend([0, 999, 1999, 2**31 - 1])  # type: ignore[list-item]
    _served(probe, handshake_pb2.OpenHeader(client=client))


@check("H-13", peers=BOTH, stage=Stage.OPEN)
def traceparent_changes_nothing(probe: Probe) -> None:
    """Ignore a `traceparent` of another form."""
    for text in ("00-" + "0" * 32 + "-" + "0" * 16 + "-00", "nonsense"):
        _served(probe, handshake_pb2.OpenHeader(client=peer_info(), traceparent=text))


def _served(probe: Probe, header: Any) -> None:
    """Expect that an `open` is answered."""
    probe.open_with(probe.dialect.open_request(header, probe.contract)).finish()
