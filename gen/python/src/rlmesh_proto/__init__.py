"""The RLMesh schema as protobuf messages and gRPC services. Generated; do not edit.

Modules are imported one by one: `from rlmesh_proto.env.v1 import env_pb2`.
"""

__all__ = ["SPEC_DIGEST", "SPEC_VERSION", "__version__"]

__version__ = "1.0.0rc1"

SPEC_VERSION = "1.0.0rc1"
"""The version of the spec that this was generated from."""

SPEC_DIGEST = "62eeb31414189bbfdcf730c8fb219190084d5d50fa4c7216a54f4f1983b4713b"
"""SHA-256 of the spec's image, in hexadecimal."""
