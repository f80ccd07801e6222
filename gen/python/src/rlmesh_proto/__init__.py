"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc1"

SPEC_VERSION = "1.0.0rc1"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "b1073f8bdc3c0840b8f1d088d33e08d69a900ece1be137bf4c9b73f13709fd16"
"""SHA-256 of the spec's image, in hexadecimal."""
