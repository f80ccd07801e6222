"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc3"

SPEC_VERSION = "1.0.0rc3"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "d4e15edb340aa61950df3b79e7e93a91430ea815fe323371fc6fb40e3b6b0e6e"
"""SHA-256 of the spec's image, in hexadecimal."""
