"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc1"

SPEC_VERSION = "1.0.0rc1"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "be98068ed54bf8d62c09987cb9ecefd18f4e90fcb8e1ee53bd8c0167f38e6bbe"
"""SHA-256 of the spec's image, in hexadecimal."""
