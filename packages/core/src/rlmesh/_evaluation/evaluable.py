"""`Evaluable`: what an evaluation needs of a model, in this process or served."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from rlmesh._codec.validate import Validation
from rlmesh._policy.chunk_use import ChunkUse
from rlmesh._policy.events import Callbacks
from rlmesh._policy.policy import Policy
from rlmesh.backends import ArrayBackend
from rlmesh.options import TLS
from rlmesh.specs import EnvContract, ModelSpec

__all__ = ["Evaluable"]


class Evaluable(Protocol):
    """A model that can be evaluated, in this process or served."""

    @property
    def model_id(self) -> str:
        """Name of the model."""
        ...

    @property
    def model_spec(self) -> ModelSpec:
        """Spec of the model, with the forms that it offers."""
        ...

    @property
    def _load_arguments(self) -> Mapping[str, object]: ...

    @property
    def _trusts_entrypoints(self) -> bool: ...

    @property
    def _server(self) -> str: ...

    @property
    def _server_host(self) -> str: ...

    @property
    def _callbacks(self) -> Callbacks: ...

    @property
    def _backend(self) -> ArrayBackend: ...

    def _dial(
        self,
        address: str | int,
        token: str,
        tls: TLS | None,
        connect_timeout: float,
        *,
        validation: Validation,
        vector: bool,
    ) -> Any: ...

    def policy(
        self,
        contract: EnvContract,
        *,
        instruction: str | None,
        execution_horizon: int | None,
        max_batch_size: int | None,
        use: ChunkUse,
    ) -> Policy:
        """Return the policy of the model for an environment."""
        ...
