"""Compatibility of spec versions (CONTRACT.md, handshake)."""

from __future__ import annotations

from rlmesh._compatibility import compatible
from rlmesh._version import __version__
from rlmesh._wire.spec import SPEC_DIGEST, SPEC_VERSION
from rlmesh.errors import UnsupportedVersionError
from rlmesh.specs import Capability, PeerInfo

__all__ = ["check_version", "this_peer"]


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


def this_peer(name: str, capabilities: frozenset[Capability]) -> PeerInfo:
    """Return the `PeerInfo` that this implementation sends of itself."""
    return PeerInfo(
        spec_version=SPEC_VERSION,
        spec_digest=SPEC_DIGEST,
        implementation=f"rlmesh-core/{__version__}",
        capabilities=capabilities,
        name=name,
    )
