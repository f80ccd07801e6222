"""Compatibility of spec versions (CONTRACT.md, handshake)."""

from __future__ import annotations

import socket
import sys
from dataclasses import replace

from rlmesh._compatibility import compatible
from rlmesh._version import __version__
from rlmesh._wire.spec import SPEC_DIGEST, SPEC_VERSION
from rlmesh.errors import UnsupportedVersionError
from rlmesh.specs import Capability, PeerInfo

__all__ = ["OURS", "check_version", "loaded_versions", "this_peer", "this_server"]


LIBRARIES = ("numpy", "gymnasium", "torch", "jax")
"""Names of the modules of libraries with a version that may change a result."""

OURS = "rlmesh-core/"
"""Beginning of the name that this implementation sends of itself; its version follows."""


def check_version(ours: str, theirs: str, address: str) -> None:
    """Check that a client of one spec version can use a server of another.

    Raises:
        UnsupportedVersionError: If the versions are incompatible.
    """
    if not compatible(ours, theirs):
        error = UnsupportedVersionError(
            f"H-4: {address} has spec {theirs or 'of no version'}, this client {ours}; install the "
            f"same major version on both sides (release candidates must be equal)"
        )
        error.choices = (theirs,)
        raise error


def loaded_versions(*more: str) -> dict[str, str]:
    """Return the versions of Python and of the libraries that this process has imported.

    Args:
        *more: Names of modules besides those of `LIBRARIES`.
    """
    found = {n: getattr(sys.modules.get(n), "__version__", None) for n in (*LIBRARIES, *more)}
    known = {name: version for name, version in found.items() if isinstance(version, str)}
    return {"python": sys.version.split()[0], **known}


def this_server(capabilities: frozenset[Capability]) -> PeerInfo:
    """Return the `PeerInfo` that a server of this implementation sends of itself."""
    return replace(this_peer(socket.gethostname(), capabilities), software=loaded_versions())


def this_peer(name: str, capabilities: frozenset[Capability]) -> PeerInfo:
    """Return the `PeerInfo` that this implementation sends of itself."""
    return PeerInfo(
        spec_version=SPEC_VERSION,
        spec_digest=SPEC_DIGEST,
        implementation=f"{OURS}{__version__}",
        capabilities=capabilities,
        name=name,
    )
