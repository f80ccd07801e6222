"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc3"

SPEC_VERSION = "1.0.0rc3"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "78d3698043a366d188a5ab73e589ca53a333ea7b74dedde4271aa8ba9a3b4ecd"
"""SHA-256 of the spec's image, in hexadecimal."""
