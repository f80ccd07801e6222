"""Transports that a server offers, read and replaced by tests."""

from __future__ import annotations

from typing import Any

from rlmesh.specs import TransportKind, TransportOffer

__all__ = ["offered", "replace_offer", "tcp_port"]


def offered(server: Any, kind: TransportKind) -> str:
    """Return the address that a server offers for a kind of transport; empty: none."""
    offers = (offer for _, offer in server._manager.offers)
    return next((offer.address for offer in offers if offer.kind is kind), "")


def replace_offer(server: Any, kind: TransportKind, address: str) -> None:
    """Have a server offer another address for a kind of transport."""
    server._manager.offers = [
        (capability, TransportOffer(kind, address) if offer.kind is kind else offer)
        for capability, offer in server._manager.offers
    ]


def tcp_port(server: Any) -> int:
    """Return the port that a server offers for frames over TCP."""
    return int(offered(server, TransportKind.FRAMES_TCP).removeprefix(":"))
