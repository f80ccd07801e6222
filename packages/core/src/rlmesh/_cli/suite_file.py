"""The file of `rlmesh eval --suite`: tasks with their addresses and episodes, as TOML or JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rlmesh._cli.parameters import read_address
from rlmesh._cli.seeds import read_seeds
from rlmesh._cli.sources import UsageProblem
from rlmesh._optional import optional_import

if TYPE_CHECKING:
    from rlmesh._evaluation.suite import Task

__all__ = ["read_suite"]

_TASK_KEYS = ("envs", "episodes", "seeds", "instruction")
_EPISODE_KEYS = ("seed", "options", "instruction")


def read_suite(path: Path) -> dict[str, Task]:
    """Return the tasks of a suite by name.

    Args:
        path: TOML, or JSON if the name ends in ".json": one table "tasks" with a table for each
            task. Its keys are `envs` (an address or a list of them), `seeds` (a list, or a text as
            of `--seeds`) or `episodes` (a list of tables with `seed`, `options` and `instruction`),
            and `instruction`.

    Raises:
        UsageProblem: If the file cannot be read, or is no suite; the message names the key.
    """
    document = _table(_parsed(path), "", ("tasks",), str(path))
    tasks = document.get("tasks")
    if not isinstance(tasks, Mapping) or not tasks:
        raise UsageProblem(
            f"{path}: expected a table 'tasks' with a task or more, got {tasks!r:.60}"
        )
    return {name: _task(task, f"tasks.{name}", str(path)) for name, task in tasks.items()}


def _task(value: Any, key_path: str, path: str) -> Task:
    from rlmesh._evaluation.suite import Episode, Task

    table = _table(value, key_path, _TASK_KEYS, path)
    envs, episodes, seeds = table.get("envs", []), table.get("episodes"), table.get("seeds")
    addresses = [envs] if isinstance(envs, (str, int)) else envs
    for key, one in (("envs", addresses), ("episodes", episodes)):
        if one is not None and not isinstance(one, list):
            raise UsageProblem(f"{path}: {key_path}.{key}: expected a list, got {one!r:.60}")
    try:
        for address in addresses:
            read_address(str(address))
        return Task(
            addresses,
            seeds=read_seeds(seeds) if isinstance(seeds, str) else seeds,
            instruction=table.get("instruction"),
            episodes=None
            if episodes is None
            else [
                Episode(**_table(one, f"{key_path}.episodes[{i}]", _EPISODE_KEYS, path))
                for i, one in enumerate(episodes)
            ],
        )
    except (TypeError, ValueError) as error:
        words = str(error)
        raise UsageProblem(words if key_path in words else f"{path}: {key_path}: {words}") from None


def _table(value: Any, key_path: str, known: tuple[str, ...], path: str) -> dict[str, Any]:
    """Return a table that has no other keys than those known.

    Raises:
        UsageProblem: If it is no table, or has another key.
    """
    at = f"{key_path}: " if key_path else ""
    if not isinstance(value, dict):
        raise UsageProblem(f"{path}: {at}expected a table, got {value!r:.60}")
    unknown = [key for key in value if key not in known]
    if unknown:
        expected = ", ".join(known)
        raise UsageProblem(f"{path}: {at}expected the keys {expected}, got {unknown[0]!r:.60}")
    return value


def _parsed(path: Path) -> Any:
    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageProblem(f"--suite: {path}: {error.strerror or error}") from None
    except UnicodeDecodeError as error:
        raise UsageProblem(f"--suite: {path}: {error}") from None
    try:
        if path.suffix == ".json":
            return json.loads(text, object_pairs_hook=_distinct)
        return _toml().loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageProblem(f"{path}: {error}") from None


def _toml() -> Any:
    """Return the module that reads TOML: `tomllib`, or `tomli` before Python 3.11."""
    name = "tomllib" if sys.version_info >= (3, 11) else "tomli"
    return optional_import(name, "a suite in TOML", "cli")


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object as a dict.

    Raises:
        ValueError: If a key occurs twice; TOML refuses that by itself.
    """
    table = dict(pairs)
    if len(table) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"expected each key once, got {twice!r} twice")
    return table
