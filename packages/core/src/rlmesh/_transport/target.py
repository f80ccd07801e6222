"""`Target`: a service at an address, as a client connects to it."""

from __future__ import annotations

from dataclasses import dataclass

from rlmesh._transport.address import Address
from rlmesh.options import TLS

__all__ = ["Target"]


@dataclass(frozen=True)
class Target:
    """A service at an address, with what a client needs to connect.

    Attributes:
        where: Address of the server.
        service: Full name of the service ("rlmesh.proto.env.v1.EnvService").
        token: Bearer token; empty: none.
        tls: Certificates, for an address with TLS.
        timeout: Seconds that a connection over TCP may take.
    """

    where: Address
    service: str
    token: str = ""
    tls: TLS | None = None
    timeout: float = 10.0
