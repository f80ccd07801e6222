"""`set_views`: the parts of observations that a model reads, which endpoints send alone."""

from __future__ import annotations

from collections.abc import Sequence

from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._evaluation.run_settings import adapter_of
from rlmesh._evaluation.settings import Settings
from rlmesh._evaluation.task_group import TaskGroup
from rlmesh._policy.events import Audience
from rlmesh.adapters import Adaptation
from rlmesh.adapters._view_for import view_for
from rlmesh.errors import RLMeshError

__all__ = ["set_views"]


def set_views(
    model: Evaluable, groups: Sequence[TaskGroup], settings: Settings, audience: Audience
) -> None:
    """Set the view of each task of which an endpoint can send parts of observations alone.

    The inputs of the model are the same with and without views. The same view is made here for
    the other endpoints of such a task: of servers that cannot send parts, and environments of this
    process. Observations stay whole if a hook receives them, or if the model does not fit: the
    error is then that of whole observations.

    Args:
        model: The model.
        groups: The tasks, with their contracts.
        settings: Arguments of the run.
        audience: Receivers of the run's events.
    """
    spec = model.model_spec
    is_wanted = settings.observe == "read" and not audience.sees_observations
    if not is_wanted or spec.adaptation is not Adaptation.RESOLVED:
        return
    for group in groups:
        assert group.contract is not None
        if not any(state.sends_views for state in group.opened):
            continue
        try:
            adapter = adapter_of(model, group.contract)
        except RLMeshError:
            continue
        if adapter is not None:
            group.set_view(view_for(group.contract, spec))
