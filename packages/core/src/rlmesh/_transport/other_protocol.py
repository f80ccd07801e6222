"""The mistake of connecting by gRPC to a server of frames alone, or the other way round."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from rlmesh._transport.address import Address
from rlmesh._transport.probe import connect_to

__all__ = ["explain_protocol"]

_SECONDS = 1.0
"""Seconds that each step of a probe may take."""

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
"""Beginning of a connection of HTTP/2 (RFC 9113, 3.4)."""

_OTHER_SCHEMES = {"tcp": "frames", "unix": "frames+unix", "frames": "tcp", "frames+unix": "unix"}
"""Scheme of the other protocol at the same place, for each scheme without TLS."""

_SETTINGS = 4
"""Type of the frame of HTTP/2 that a server sends first."""

_ERROR_TAG = 0x1A
"""First byte of a connection error of RLMesh (Q-9), after its length."""


def explain_protocol(where: Address) -> str:
    """Return why a server that listens does not answer, and what to do; empty: it is not known.

    Args:
        where: Address without TLS to which a connection has failed.
    """
    if where.is_tls:
        return ""
    right = replace(where, scheme=_OTHER_SCHEMES[where.scheme])
    begun = _first_bytes(where)
    if where.is_frames and len(begun) >= 9 and begun[3] == _SETTINGS and not any(begun[5:9]):
        return f"the server speaks gRPC, and this address is one of frames; connect to {right}"
    if not where.is_frames and begun[4:5] == bytes((_ERROR_TAG,)):
        return f"the server speaks frames, and this address is one of gRPC; connect to {right}"
    return ""


def _first_bytes(where: Address) -> bytes:
    """Return what a server sends after the beginning of HTTP/2; empty if it sends nothing."""
    begun = b""
    with contextlib.suppress(OSError), connect_to(where, _SECONDS) as connected:
        connected.sendall(_PREFACE)
        while len(begun) < 9 and (more := connected.recv(64)):
            begun += more
    return begun
