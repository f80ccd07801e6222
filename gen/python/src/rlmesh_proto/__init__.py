"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc3"

SPEC_VERSION = "1.0.0rc3"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "2bc5922a22a3c5a2e9b5b95633baf7f82c9a2483e78716a41090f7b3e4de3e84"
"""SHA-256 of the spec's image, in hexadecimal."""
