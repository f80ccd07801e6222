"""Options of servers, as one typed object."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Union

__all__ = ["TLS", "ServeOptions"]

Pem = Union[str, Path, bytes, None]
"""The path of a PEM file, or its bytes."""


@dataclass(frozen=True)
class TLS:
    """The certificates of one end of a connection, for addresses `grpcs://host:port`.

    A server needs `certificate` and `key`; with `authority` it admits only clients that show a
    certificate of that authority (mutual TLS). A client needs nothing where the server's
    certificate is of an authority that gRPC knows by default; else `authority`; and `certificate`
    and `key` where the server asks for them. The server's certificate is checked against the host's
    name in the address, always.

    Attributes:
        certificate: Its own certificate, with those that lead to the authority.
        key: Private key of `certificate`.
        authority: Certificates of the authorities whose word counts for the other end.
    """

    certificate: Pem = None
    key: Pem = None
    authority: Pem = None

    def __post_init__(self) -> None:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("a certificate needs its key, and a key its certificate")

    def __repr__(self) -> str:
        """Without the bytes of a key."""
        given = [name for name, value in vars(self).items() if value is not None]
        return f"TLS({', '.join(f'{name}=...' for name in given)})"


@dataclass(frozen=True)
class ServeOptions:
    """How an endpoint serves.

    Attributes:
        validation: What to do with an observation outside its space (bounds of a Box, NaN, length
            and characters of a Text): "off", "warn" (a Python warning and
            `info["rlmesh.validation"]`, once a path) or "strict" (an `EnvError`).
        expose_tracebacks: Whether clients see tracebacks of the environment's exceptions. None:
            only on loopback and Unix sockets.
        remote_shutdown: Whether clients may stop the server.
        drain_timeout: Seconds that open sessions have when the server stops.
        grace_period: Seconds that a session whose connection broke keeps its environment, and may
            be resumed by its client; 0: not at all.
    """

    validation: Literal["off", "warn", "strict"] = "warn"
    expose_tracebacks: bool | None = None
    remote_shutdown: bool = False
    drain_timeout: float = 0.2
    grace_period: float = 30.0
