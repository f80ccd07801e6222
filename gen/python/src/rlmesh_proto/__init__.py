"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc2"

SPEC_VERSION = "1.0.0rc2"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "e62d12bbe3290c7bc38cde259c7a20155e5d6d1f65974042a4d47b5ef2ff1c18"
"""SHA-256 of the spec's image, in hexadecimal."""
