"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc1"

SPEC_VERSION = "1.0.0rc1"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "5d2c11e37d956135e12c7049c9a392ab79b8f4a93812205086992696f08a230c"
"""SHA-256 of the spec's image, in hexadecimal."""
