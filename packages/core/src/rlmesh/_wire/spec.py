"""The version and the digest of the spec that the generated messages come from."""

from __future__ import annotations

import rlmesh_proto

__all__ = ["SPEC_DIGEST", "SPEC_VERSION"]

SPEC_VERSION: str = rlmesh_proto.SPEC_VERSION
"""The spec version that this package pins."""

SPEC_DIGEST: str = rlmesh_proto.SPEC_DIGEST
"""The SHA-256 of that version's image, in hexadecimal digits."""
