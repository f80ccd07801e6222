"""`set_looks`: the adapter of each task of a run, and the look at its first episode."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._evaluation.preflight import Preflight
from rlmesh._evaluation.run_settings import adapter_of
from rlmesh._evaluation.settings import Settings
from rlmesh._evaluation.task_group import TaskGroup
from rlmesh.adapters._viewed import whole_path
from rlmesh.backends import NATIVE, contract_backend

__all__ = ["set_looks"]


def set_looks(model: Evaluable, groups: Sequence[TaskGroup], settings: Settings) -> None:
    """Set the adapter of each task, and the look at its first episode.

    There is no look without NumPy, or if only the server of a model can resolve the adapter.

    Args:
        model: The model.
        groups: The tasks, with their contracts and views.
        settings: Arguments of the run.
    """
    numpy = contract_backend()
    for group in groups:
        assert group.contract is not None
        group.adapter = adapter = adapter_of(model, group.contract)
        if settings.validation == "off" or numpy is NATIVE or adapter is None:
            continue
        seen = group.seen
        if group.view is not None or model._backend is not numpy:
            adapter = adapter_of(model, seen, numpy)
        if adapter is not None and adapter.is_resolved:
            group.preflight = Preflight(
                adapter,
                model.model_spec,
                seen,
                model._backend,
                task=group.task.name,
                is_strict=settings.validation == "strict",
                named=_named(group),
            )


def _named(group: TaskGroup) -> Callable[[str], str]:
    """Return what makes a path in a task's observations one in its whole observations."""
    contract, view = group.contract, group.view
    if contract is None or view is None:
        return str
    return lambda path: whole_path(path, contract.observation_space, view)
