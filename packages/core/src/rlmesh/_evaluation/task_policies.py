"""`fit`: the policies of the tasks of a run."""

from __future__ import annotations

from collections.abc import Sequence

from rlmesh._evaluation.acting import acting_policy
from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._evaluation.settings import Settings
from rlmesh._evaluation.task_group import PolicyQueue, TaskGroup
from rlmesh._policy.policy import Policy
from rlmesh._wire.contract import route_key
from rlmesh.errors import RLMeshError, UnsupportedError

__all__ = ["fit"]


def fit(model: Evaluable, groups: Sequence[TaskGroup], settings: Settings) -> None:
    """Set the policy of each task; tasks with equal spaces and tags share one.

    Args:
        model: The model.
        groups: The tasks, with their contracts.
        settings: Arguments of the run.

    Raises:
        ValueError: If an episode has an instruction and the model takes none, or the reverse.
        RLMeshError: If the model does not fit an environment.
    """
    known: dict[bytes, PolicyQueue] = {}
    for group in groups:
        key = route_key(group.seen)
        instructions = list(dict.fromkeys(group.task.instructions()))
        if key not in known:
            known[key] = PolicyQueue(_policy(model, group, settings, instructions[0]))
        group.queue = known[key]
        group.queue.groups.append(group)
        _check_instructions(group, instructions)


def _policy(
    model: Evaluable, group: TaskGroup, settings: Settings, instruction: str | None
) -> Policy:
    try:
        return acting_policy(
            model,
            group.seen,
            settings.acting,
            instruction=instruction,
            execution_horizon=settings.execution_horizon,
            max_batch_size=settings.max_batch_size,
        )
    except RLMeshError as error:
        if group.task.name:
            error.message = f"task {group.task.name!r}: {error.message}"
            error.args = (error.message,)
        raise
    except ValueError as error:
        raise group.named(error) from error


def _check_instructions(group: TaskGroup, instructions: Sequence[str | None]) -> None:
    """Begin and end an episode without an instruction, and one with, if there are such."""
    given = [text for text in instructions if text is not None][:1]
    missing = [None] if None in instructions else []
    for instruction in (*missing, *given):
        policy = group.queue.policy
        try:
            context = policy.begin("", seed=None, instruction=instruction)
        except (UnsupportedError, ValueError) as error:
            raise group.named(ValueError(str(error))) from error
        policy.end(context)
