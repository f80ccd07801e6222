"""Resolution of names on a command line: environments, `module:name`, JSON; needs no library."""

from __future__ import annotations

import importlib
import json
import os
import sys
from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["UsageProblem", "load", "make_env", "names_an_object", "read_choice", "read_object"]


class UsageProblem(ValueError):
    """The command line cannot be parsed, or names something that is missing; in one line."""


def read_object(text: str, option: str) -> dict[str, Any]:
    """Return the JSON object in an option's text.

    Raises:
        UsageProblem: If the text is not a JSON object; the message names the option.
    """
    try:
        value = json.loads(text)
    except json.JSONDecodeError as error:
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


def names_an_object(name: str) -> bool:
    """Return whether `name` is `module:name`; "module:Env-v0" and "ns/Env-v0" are Gymnasium ids."""
    _, separator, attribute = name.partition(":")
    return bool(separator) and not attribute.rpartition("-v")[2].isdigit()


def load(name: str) -> Any:
    """Return the object that `module:name` names; the working folder is searched first.

    Raises:
        UsageProblem: If the module cannot be imported, or has no such name.
    """
    module, _, path = name.partition(":")
    if not module or not path:
        raise UsageProblem(f"{name!r}: expected module:name")
    if "/" in module or module.startswith(".") or module.endswith(".py"):
        raise UsageProblem(
            f"{name!r}: expected module:name, the module as import names it: no file"
        )
    if sys.path[:1] != [os.getcwd()]:
        sys.path.insert(0, os.getcwd())
    try:
        found: Any = importlib.import_module(module)
    except (Exception, SystemExit) as error:
        reason = " ".join(f"{type(error).__name__}: {error}".split())
        raise UsageProblem(f"{name}: the module {module!r} cannot be imported: {reason}") from error
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
        name: A registered Gymnasium id ("CartPole-v1"), or `module:callable`.
        kwargs: Arguments to make the environment with.
        render_mode: Render mode to make the environment with; None: not specified.

    Raises:
        UsageProblem: If `module:callable` does not exist, or the id is not registered.
        ImportError: If `name` is an id and Gymnasium is not installed.
        ValueError: If a dependency of the environment is not installed.
    """
    given = dict(kwargs) if render_mode is None else {**kwargs, "render_mode": render_mode}
    if names_an_object(name):
        make = load(name)
        if not callable(make):
            raise UsageProblem(
                f"{name}: expected a callable that makes an environment, got {make!r:.60}"
            )
        return make(**given)
    try:
        from rlmesh_numpy import make_env as make_registered
    except ImportError as error:
        if error.name != "rlmesh_numpy":
            raise
        raise ImportError(
            f'making {name} needs Gymnasium: pip install "rlmesh-core[gymnasium]"'
        ) from error
    try:
        return make_registered(name, **given)
    except ValueError as error:
        refusal = error.__cause__  # The error of Gymnasium.
        if refusal is None or isinstance(refusal.__cause__, ImportError):
            raise
        raise UsageProblem(str(error)) from None
