"""Full names of the services, as gRPC paths and FramesHello have them (B-1, B-16)."""

from __future__ import annotations

__all__ = ["ENV_SERVICE", "MODEL_SERVICE"]

ENV_SERVICE = "rlmesh.proto.env.v1.EnvService"
"""Full name of the environment's service."""

MODEL_SERVICE = "rlmesh.proto.model.v1.ModelService"
"""Full name of the model's service."""
