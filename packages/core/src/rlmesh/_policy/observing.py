"""Which models must receive observations for which no action is wanted."""

from __future__ import annotations

from collections.abc import Iterable

from rlmesh._policy.chunk_use import ORDINARY, ChunkUse
from rlmesh.adapters import ModelSpec, PredictForm

__all__ = ["executes_several", "needed_by_spec", "needed_observations"]


def needed_observations(histories: Iterable[int], *, stateful: bool) -> int | None:
    """Return the number of observations since its last prediction that a model needs.

    They are those before the observation of the next prediction, the latest ones (P-16).

    Args:
        histories: The `history` of each input of the model.
        stateful: Whether predictions depend on all earlier observations of the episode.

    Returns:
        The number, one less than the longest history; None: all of them.
    """
    return None if stateful else max([1, *histories]) - 1


def needed_by_spec(spec: ModelSpec) -> int | None:
    """Return what `needed_observations` returns for a model with a spec."""
    return needed_observations((one.observations for one in spec.inputs), stateful=spec.stateful)


def executes_several(
    form: PredictForm, horizon: int | None, declared: int, use: ChunkUse = ORDINARY
) -> bool:
    """Return whether more than one action may be executed between two predictions.

    Args:
        form: The form in which the model is called.
        horizon: Number of actions to execute of each chunk; None: all.
        declared: Length of a chunk by the model's spec; 0: any.
        use: What is done with the chunks.
    """
    if use.asks_each_step or use.latency > 1:
        return not use.asks_each_step
    chunked = form in (PredictForm.CHUNK, PredictForm.CHUNK_BATCH)
    return chunked and horizon != 1 and declared != 1
