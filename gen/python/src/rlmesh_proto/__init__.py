"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc3"

SPEC_VERSION = "1.0.0rc3"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "bc7fa474357e386bf6c3b81e5275d20dab7e507dfc3ca10d4f688af736883c9e"
"""SHA-256 of the spec's image, in hexadecimal."""
