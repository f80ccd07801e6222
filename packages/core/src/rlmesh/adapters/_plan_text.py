"""`plan_text`: what an adapter does, as text that is the same in every process."""

from __future__ import annotations

from rlmesh.adapters._adapter import Adapter

__all__ = ["plan_text"]


def plan_text(adapter: Adapter) -> str:
    """Return one line for each input and output of an adapter; empty if it converts nothing.

    A line names the source, the conversions in order with all their numbers, and the element type
    of the result. Equal texts mean equal conversions, except for what an entry point does.
    """
    return "" if adapter.plan is None else str(adapter.plan)
