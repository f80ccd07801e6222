"""The version and the digest of the spec that the generated messages come from."""

from __future__ import annotations

import rlmesh_proto

from rlmesh.errors import CodecError

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "NewerSpecError"]


class NewerSpecError(CodecError):
    """Something is of a kind that this version does not know: unsupported, not malformed."""


SPEC_VERSION: str = rlmesh_proto.SPEC_VERSION
"""The spec version that this package pins."""

SPEC_DIGEST: str = rlmesh_proto.SPEC_DIGEST
"""The SHA-256 of that version's image, in hexadecimal digits."""
