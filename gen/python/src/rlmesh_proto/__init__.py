"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc1"

SPEC_VERSION = "1.0.0rc1"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "b8bc8090a0274cb000fb4d8ae2615280a19dcc68a53dc7249eef1a30e5c000fb"
"""SHA-256 of the spec's image, in hexadecimal."""
