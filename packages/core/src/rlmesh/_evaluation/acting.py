"""`acting_policy`: the policy of a model that acts in the way of a run."""

from __future__ import annotations

from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._policy.chunk_use import ORDINARY, ChunkUse
from rlmesh._policy.delayed import DelayedPolicy
from rlmesh._policy.ensembling import EnsemblingPolicy
from rlmesh._policy.policy import Policy
from rlmesh.acting import Acting, Latency, RealTimeChunking, TemporalEnsemble
from rlmesh.adapters import Adaptation
from rlmesh.specs import EnvContract

__all__ = ["acting_policy", "check_acting"]


def check_acting(acting: object, execution_horizon: int | None) -> None:
    """Check an argument `acting`.

    Raises:
        TypeError: If it is not a class of `rlmesh.acting`.
        ValueError: If it does not go with the horizon.
    """
    if acting is None:
        return
    if not isinstance(acting, (TemporalEnsemble, Latency, RealTimeChunking)):
        raise TypeError(
            f"expected a TemporalEnsemble, Latency or RealTimeChunking as acting, got "
            f"{type(acting).__name__}"
        )
    if isinstance(acting, TemporalEnsemble) and execution_horizon not in (None, 1):
        raise ValueError(
            f"TemporalEnsemble asks the model at every step; expected no execution_horizon, got "
            f"{execution_horizon}"
        )


def acting_policy(
    model: Evaluable,
    contract: EnvContract,
    acting: Acting | None,
    *,
    instruction: str | None,
    execution_horizon: int | None,
    max_batch_size: int | None = None,
) -> Policy:
    """Return the policy of a model for an environment.

    Args:
        model: The model.
        contract: Contract of the environment.
        acting: The way of acting; None: the ordinary one.
        instruction: Instruction of the episodes.
        execution_horizon: Number of actions of each chunk to take; see `LocalPolicy`.
        max_batch_size: Largest number of observations of one forward pass.

    Raises:
        ValueError: If the model or the action space does not allow to act so.
        UnsupportedError: If the model needs observations that it would not get.
        RLMeshError: If the model does not fit the environment.
    """
    check_acting(acting, execution_horizon)
    use = _use(acting)
    space, backend = contract.action_space, model._backend
    if (use.asks_each_step or use.latency) and not (space.is_leaf or space.children):
        raise ValueError(
            f"{type(acting).__name__}: expected an environment with an action space, got {space!r}"
        )
    policy = model.policy(
        contract,
        instruction=instruction,
        execution_horizon=execution_horizon,
        max_batch_size=max_batch_size,
        use=use,
    )
    if acting is None:
        return policy
    try:
        if use.needs_chunks and not policy.predicts_chunks:
            raise ValueError(
                f"{type(acting).__name__}: expected a model with predict_chunk or "
                f"predict_chunk_batch"
            )
        if isinstance(acting, TemporalEnsemble):
            return EnsemblingPolicy(policy, acting, space, backend)
        prefixed = isinstance(acting, RealTimeChunking)
        if prefixed:
            _check_prefix(model, policy)
        return DelayedPolicy(
            policy,
            acting.latency if isinstance(acting, RealTimeChunking) else acting,
            space,
            backend,
            execution_horizon=execution_horizon,
            sends_prefix=prefixed,
        )
    except ValueError:
        policy.close()
        raise


def _use(acting: Acting | None) -> ChunkUse:
    if isinstance(acting, TemporalEnsemble):
        return ChunkUse(needs_chunks=True, is_cut=False, asks_each_step=True)
    if isinstance(acting, RealTimeChunking):
        return ChunkUse(needs_chunks=True, is_cut=False, latency=acting.latency.delay)
    return ORDINARY if acting is None else ChunkUse(is_cut=False, latency=acting.delay)


def _check_prefix(model: Evaluable, policy: Policy) -> None:
    if model.model_spec.adaptation is Adaptation.RESOLVED:
        raise ValueError(
            "RealTimeChunking: expected a model without a ModelSpec, got one with an adapter, "
            "which cannot convert the environment's actions of the prefix back to the model's"
        )
    if not policy.takes_prefix:
        raise ValueError(
            "RealTimeChunking: expected a model whose predict_chunk and predict_chunk_batch have a "
            "second parameter `context`, which has the action_prefix; the server of a served model "
            "lists CAPABILITY_ACTION_PREFIX if its model receives it"
        )
