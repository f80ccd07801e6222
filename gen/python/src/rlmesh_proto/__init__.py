"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc3"

SPEC_VERSION = "1.0.0rc3"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "6d652373d18513903d6c624e4d4de633b4aab3013158fad25f2509f3ed15b079"
"""SHA-256 of the spec's image, in hexadecimal."""
