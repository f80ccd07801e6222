"""The handshake of a session, whatever is served <-> its messages."""

from __future__ import annotations

from typing import Any

from rlmesh._messages import env as m
from rlmesh._wire.contract import (
    offers_from_wire,
    offers_to_wire,
    peer_from_wire,
    peer_to_wire,
    terms_from_wire,
    terms_to_wire,
)
from rlmesh._wire.trace_context import is_traceparent
from rlmesh.errors import CodecError

__all__ = ["read_open", "read_opened", "write_open", "write_opened"]


def write_open(body: m.Open, out: Any) -> None:
    """Write a handshake into an `OpenHeader`."""
    peer_to_wire(body.client, out.client)
    out.wait_ms = round(body.wait * 1000)
    out.traceparent = body.traceparent
    if body.resume is not None:
        out.resume.session_id = body.resume.session_id
        out.resume.resume_key = body.resume.key
        out.resume.awaited_sequence = body.resume.awaited


def read_open(message: Any) -> m.Open:
    """Return the handshake of an `OpenHeader`; CodecError if it breaks a rule."""
    if not message.HasField("client"):
        raise CodecError("an open does not say who the client is", path="client", rule="G-8")
    resume = None
    if message.HasField("resume"):
        r = message.resume
        resume = m.Resume(r.session_id, r.resume_key, r.awaited_sequence)
    traceparent = message.traceparent if is_traceparent(message.traceparent) else ""
    client = peer_from_wire(message.client)
    return m.Open(client, resume, message.wait_ms / 1000, traceparent=traceparent)


def write_opened(opened: m.Opened, out: Any) -> None:
    """Write the answer to a handshake into an `OpenedHeader`."""
    peer_to_wire(opened.server, out.server)
    out.session_id = opened.session_id
    out.resume_key = opened.resume_key
    terms_to_wire(opened.terms, out.terms)
    out.received_sequence = opened.received
    offers_to_wire(opened.offers, out.offers)


def read_opened(message: Any, served: Any) -> m.Opened:
    """Return the answer to a handshake, an `OpenResponse`, with what is served.

    Raises:
        CodecError: If it lacks what each answer to a handshake has (H-6, R-7).
    """
    header = message.header
    for part, name in ((message, "header"), (header, "server"), (header, "terms")):
        if not part.HasField(name):
            words = f"the answer to a handshake has no {name}"
            raise CodecError(words, path=name, rule="H-6")
    if not header.session_id:
        raise CodecError("a session's id is not empty", path="session_id", rule="H-7")
    return m.Opened(
        server=peer_from_wire(header.server),
        session_id=header.session_id,
        served=served,
        terms=terms_from_wire(header.terms),
        resume_key=header.resume_key,
        received=header.received_sequence,
        offers=offers_from_wire(header.offers),
    )
