"""Whether anybody listens at an address of this host."""

from __future__ import annotations

import socket

from rlmesh._transport.address import Address

__all__ = ["nobody_listens"]


def nobody_listens(address: Address) -> bool:
    """Return whether this host's own kernel reports that no server listens there.

    Never true for another host, from where a refusal may be that of something in between.
    """
    if not address.is_local:
        return False
    try:
        _connect(address).close()
    except (ConnectionRefusedError, FileNotFoundError):
        return True
    except OSError:
        return False
    return False


def _connect(address: Address) -> socket.socket:
    if address.scheme != "unix":
        return socket.create_connection((address.host, address.port), timeout=1.0)
    probe = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        probe.settimeout(1.0)
        probe.connect(address.path)
    except OSError:
        probe.close()
        raise
    return probe
