"""Resolution of names on a command line: environments, `module:name`, JSON; needs no library."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from types import ModuleType
from typing import Any

__all__ = [
    "UsageProblem",
    "find",
    "import_module",
    "load",
    "make_env",
    "read_choice",
    "read_object",
]

_REGISTERED_BY = {"ALE": "ale_py", "Meta-World": "metaworld", "dm_control": "shimmy"}
"""Modules that register the ids of a namespace when imported, for hints; others work too."""


class UsageProblem(ValueError):
    """The command line cannot be parsed, or names something that is missing; in one line."""


def read_object(text: str, option: str) -> dict[str, Any]:
    """Return the JSON object in an option's text.

    Raises:
        UsageProblem: If the text is not a JSON object; the message names the option.
    """
    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise UsageProblem(
            f"{option}: expected a JSON object such as '{{\"size\": 3}}', got {text!r:.60}: {error}"
        ) from None
    if not isinstance(value, dict):
        raise UsageProblem(f"{option}: expected a JSON object, got {text!r:.60}")
    return value


def read_choice(text: str | None, option: str, choices: Sequence[str]) -> Any:
    """Return the text of an option that takes one of some words; None if it was not set.

    Raises:
        UsageProblem: If the text is none of the words; the message names the option.
    """
    if text is not None and text not in choices:
        raise UsageProblem(f"{option}: expected {' or '.join(choices)}, got {text!r:.60}")
    return text


def load(name: str) -> Any:
    """Return the object that `module:name` names; the working folder is searched first.

    Raises:
        UsageProblem: If the module cannot be imported, or has no such name.
    """
    module, _, path = name.partition(":")
    return find(import_module(name, module, path), name, path)


def import_module(name: str, module: str, path: str) -> ModuleType:
    """Import the module of `module:path`; the working folder is searched first.

    Args:
        name: The whole text, for messages.
        module: Name of the module.
        path: Name of what the module has or registers.

    Raises:
        UsageProblem: If the text is not `module:path`, or the module cannot be imported.
    """
    if not module or not path or ":" in path:
        raise UsageProblem(f"{name!r}: expected module:name")
    if "/" in module or module.startswith(".") or module.endswith(".py"):
        raise UsageProblem(
            f"{name!r}: expected module:name, the module as import names it: no file"
        )
    if sys.path[:1] != [os.getcwd()]:
        sys.path.insert(0, os.getcwd())
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageProblem(f"{name}: the module {module!r} cannot be imported: {reason}") from error


def find(module: ModuleType, name: str, path: str) -> Any:
    """Return the attribute that `path` names in a module, with dots between its parts.

    Raises:
        UsageProblem: If the module has no such attribute.
    """
    found: Any = module
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError:
            raise UsageProblem(
                f"{name}: {_named(found)} has no {part!r}{_alike(part, found)}"
            ) from None
    return found


def _named(thing: Any) -> str:
    kind = "the module" if type(thing).__name__ == "module" else "the " + type(thing).__name__
    return f"{kind} {getattr(thing, '__name__', repr(thing))!r:.80}"


def _alike(name: str, thing: Any) -> str:
    from difflib import get_close_matches

    close = get_close_matches(name, [n for n in dir(thing) if not n.startswith("_")], n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def make_env(name: str, kwargs: Mapping[str, Any], render_mode: str | None) -> Any:
    """Return the environment that a command line names.

    Args:
        name: A registered Gymnasium id ("CartPole-v1"), `module:callable`, or `module:id` with an
            id that the import of the module registers ("ale_py:ALE/Pong-v5").
        kwargs: Arguments to make the environment with.
        render_mode: Render mode to make the environment with; None: not specified.

    Raises:
        UsageProblem: If there is neither such a callable nor such an id.
        ImportError: If `name` is an id and Gymnasium is not installed.
        ValueError: If a dependency of the environment is not installed.
    """
    given = dict(kwargs) if render_mode is None else {**kwargs, "render_mode": render_mode}
    module, separator, path = name.partition(":")
    if not separator:
        return _make_registered(name, name, given)
    imported = import_module(name, module, path)
    try:
        make = find(imported, name, path)
    except UsageProblem as missing:
        return _make_registered(name, path, given, missing)
    if not callable(make):
        raise UsageProblem(
            f"{name}: expected a callable that makes an environment, got {make!r:.60}"
        )
    return make(**given)


def _make_registered(
    name: str, env_id: str, given: dict[str, Any], missing: UsageProblem | None = None
) -> Any:
    """Return a new environment of a Gymnasium id.

    Args:
        name: The text of the command line.
        env_id: The id.
        given: Arguments to make the environment with.
        missing: The error of the module's attribute of that name; None: no module was named.
    """
    looks_like_a_name = all(map(str.isidentifier, env_id.split(".")))
    try:
        from rlmesh_numpy import make_env as make_registered
    except ImportError as error:
        if error.name != "rlmesh_numpy":
            raise
        if missing is not None and looks_like_a_name:
            raise missing from None
        raise ImportError(
            f'making {name} needs Gymnasium: pip install "rlmesh-core[gymnasium]"'
        ) from error
    try:
        return make_registered(env_id, **given)
    except ValueError as error:
        refusal = error.__cause__  # The error of Gymnasium.
        if refusal is None or isinstance(refusal.__cause__, ImportError):
            raise
        if missing is None:
            raise UsageProblem(f"{error}{_hint(env_id, refusal)}") from None
        if looks_like_a_name:
            raise UsageProblem(f"{missing}; and no environment has that id: {error}") from None
        raise UsageProblem(f"{name}: {error}") from None


def _hint(env_id: str, refusal: BaseException) -> str:
    """Return how to name the module that registers an unknown id; empty for other errors."""
    kinds = {kind.__name__ for kind in type(refusal).__mro__}
    if (
        "UnregisteredEnv" not in kinds
        or "VersionNotFound" in kinds
        or "Did you mean" in str(refusal)
    ):
        return ""
    namespace = env_id.rpartition("/")[0]
    if namespace in _REGISTERED_BY:
        return f" The import of its module registers it; try {_REGISTERED_BY[namespace]}:{env_id}"
    return f" If the import of a module registers it, try MODULE:{env_id}, as in ale_py:ALE/Pong-v5"
