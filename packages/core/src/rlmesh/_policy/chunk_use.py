"""`ChunkUse`: what is done with the chunks of a model."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["ORDINARY", "ChunkUse"]


@dataclass(frozen=True)
class ChunkUse:
    """What is done with the chunks of a model.

    Attributes:
        needs_chunks: Whether a chunk is asked for although the model predicts single actions too.
        is_cut: Whether actions beyond the horizon are dropped.
        asks_each_step: Whether the model is asked at every step, whatever the horizon.
        latency: Number of steps before which the model is not asked again.
    """

    needs_chunks: bool = False
    is_cut: bool = True
    asks_each_step: bool = False
    latency: int = 0


ORDINARY = ChunkUse()
"""The chunk is cut at the horizon and executed."""
