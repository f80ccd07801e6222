"""`run_settings`: the settings that a run records of its model, its endpoints and this process."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from rlmesh._evaluation.evaluable import Evaluable
from rlmesh._evaluation.settings import Settings
from rlmesh._evaluation.task_group import TaskGroup
from rlmesh._printable import escape_control_chars
from rlmesh._session.versions import loaded_versions
from rlmesh._version import __version__
from rlmesh._wire.results import episodes_digest
from rlmesh._wire.run_settings import model_digest, spaces_digest, tags_digest
from rlmesh.adapters import Adaptation, Adapter, plan_text, resolve
from rlmesh.backends import ArrayBackend
from rlmesh.errors import AdapterError
from rlmesh.results import RunSettings
from rlmesh.results._episode import planned_episode
from rlmesh.results._settings import HIDDEN, TaskSettings
from rlmesh.specs import EnvContract

__all__ = ["adapter_of", "run_settings", "stable_text"]

_SECRETS = ("key", "token", "secret", "password")
"""Ends of the names of arguments that a result, which may be published, must not have."""


def run_settings(
    model: Evaluable,
    groups: Sequence[TaskGroup],
    settings: Settings,
) -> RunSettings:
    """Return the settings of a run.

    Args:
        model: The model.
        groups: The tasks, with their contracts.
        settings: Arguments of the run.

    Raises:
        CodecError: If the model's spec breaks a rule of the contract.
        InvalidValueError: If an episode has an option that no wire type holds.
    """
    endpoints = [facts for group in groups for facts in group.facts]
    is_suite = bool(groups[0].task.name)
    contract = None if is_suite else groups[0].contract
    arguments = {**model._load_arguments, **settings.load_arguments}
    adapters = [group.adapter for group in groups]
    names = [f"{group.task.name}: " if is_suite else "" for group in groups]
    return RunSettings(
        execution_horizon=settings.execution_horizon,
        max_batch_size=settings.max_batch_size,
        max_episode_steps=settings.max_episode_steps,
        max_episode_seconds=settings.max_episode_seconds,
        seeded=_is_seeded(groups) if is_suite else settings.seeds is not None,
        validation=tuple(sorted({facts.validation for facts in endpoints})),
        run_id=settings.run_id,
        load_arguments={
            str(name): HIDDEN if str(name).lower().endswith(_SECRETS) else stable_text(value)
            for name, value in arguments.items()
        },
        success=settings.success_rule.name,
        success_key=settings.success_key or "",
        until="" if settings.until is None else settings.until.description,
        acting="" if settings.acting is None else settings.acting.description,
        model_digest=model_digest(model.model_spec),
        spaces_digest="" if contract is None else spaces_digest(contract),
        tags_digest="" if contract is None else tags_digest(contract.tags),
        adapter_plan="" if is_suite else _plan_of(adapters[0]),
        adapter_advisories=_advisories(zip(names, adapters)),
        versions={"rlmesh": __version__, **loaded_versions(model._backend.name)},
        env_servers=tuple(sorted({facts.server for facts in endpoints if facts.server})),
        model_server=model._server,
        hosts=tuple(filter(None, [socket.gethostname()])),
        env_hosts=tuple(sorted({facts.host for facts in endpoints if facts.host})),
        model_hosts=tuple(filter(None, [model._server_host])),
        tasks=tuple(map(_task_settings, groups, adapters)) if is_suite else (),
        command=settings.command,
    )


def _is_seeded(groups: Sequence[TaskGroup]) -> bool:
    return all(episode.seed is not None for group in groups for episode in group.task.episodes)


def _task_settings(group: TaskGroup, adapter: Adapter | None) -> TaskSettings:
    task, contract = group.task, group.contract
    assert contract is not None
    episodes = [
        planned_episode(
            task.first + i,
            episode.seed,
            instruction=task.instruction_of(episode),
            options=episode.options,
        )
        for i, episode in enumerate(task.episodes)
    ]
    return TaskSettings(
        name=task.name,
        env_id=contract.id,
        episodes=len(episodes),
        episodes_digest=episodes_digest(episodes),
        spaces_digest=spaces_digest(contract),
        tags_digest=tags_digest(contract.tags),
        adapter_plan=_plan_of(adapter),
    )


def _plan_of(adapter: Adapter | None) -> str:
    return "" if adapter is None else plan_text(adapter)


def _advisories(adapters: Iterable[tuple[str, Adapter | None]]) -> tuple[str, ...]:
    """Return the advisories of adapters, each after the name that goes with it, cautions first."""
    found = [
        (one.level, escape_control_chars(f"{name}{one.level}: {one.path}: {one.message}"))
        for name, adapter in adapters
        if adapter is not None
        for one in adapter.advisories
    ]
    return tuple(text for _, text in sorted(found, key=lambda pair: pair[0] != "caution"))


def adapter_of(
    model: Evaluable, contract: EnvContract, backend: ArrayBackend | None = None
) -> Adapter | None:
    """Return the adapter between an environment and a model.

    None if there is none, or only the server of a model can resolve it.

    Args:
        model: The model.
        contract: Contract of the environment.
        backend: Backend of the values; None: the model's.
    """
    spec = model.model_spec
    if spec.adaptation is not Adaptation.RESOLVED:
        return None
    try:
        return resolve(
            contract,
            spec,
            backend=backend or model._backend,
            trust_entrypoints=model._trusts_entrypoints,
        )
    except AdapterError:
        # Only the server of a model may import its entry points.
        return None


def stable_text(value: Any) -> str:
    """Return a text for a value that is the same in every process.

    Plain values are written as Python writes them, dicts sorted by their keys and paths as texts.
    Of any other object only its type is known: its repr may contain an address in memory.
    """
    if value is None or type(value) in (bool, int, float, str, bytes):
        return repr(value)
    if isinstance(value, os.PathLike):
        return repr(os.fspath(value))
    if isinstance(value, Mapping):
        items = sorted((stable_text(key), stable_text(part)) for key, part in value.items())
        return f"{{{', '.join(f'{key}: {part}' for key, part in items)}}}"
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(stable_text, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"{{{', '.join(sorted(map(stable_text, value)))}}}"
    kind = value if isinstance(value, type) else type(value)
    return f"<{kind.__module__}.{kind.__qualname__}>"
