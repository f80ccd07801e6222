"""`SuccessRule`: which of an episode's infos decide whether it succeeded."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union, cast

from rlmesh._elements import numbers_of
from rlmesh._policy.owned import owned
from rlmesh.results._settings import ANY, FIRST, LAST

__all__ = ["EpisodeSuccess", "Judge", "SuccessRule", "success_rule"]

DEFAULT_KEYS = ("is_success", "success", "task_success")
"""Keys of an info that report success; the first one that an info has counts."""

_WHEN = (LAST, ANY, FIRST)

Judge = Callable[[Sequence[Mapping[Any, Any]]], Union[bool, None]]
"""The type of a rule of the user's own; see `rlmesh.evaluate`."""


@dataclass(frozen=True)
class SuccessRule:
    """The rule by which the success of an episode is decided.

    Attributes:
        when: Steps of which the infos count: "last", "any" or "first".
        key: Key of the infos; empty: `DEFAULT_KEYS`.
        judge: Callable that decides instead of `when` and `key`; None: there is none.
    """

    when: str = LAST
    key: str = ""
    judge: Judge | None = None

    @property
    def name(self) -> str:
        """Text for the settings of a run: `when`, or the qualified name of the callable."""
        if self.judge is None:
            return self.when
        judge = self.judge
        while isinstance(judge, functools.partial):
            judge = judge.func
        named = judge if hasattr(judge, "__qualname__") else type(judge)
        return f"{getattr(named, '__module__', '')}:{named.__qualname__}"

    @property
    def keys(self) -> tuple[str, ...]:
        """Keys of an info that report success, in the order of their precedence."""
        return (self.key,) if self.key else DEFAULT_KEYS


def success_rule(success: Any = LAST, key: str | None = None) -> SuccessRule:
    """Return the rule of the arguments `success` and `success_key` of `rlmesh.evaluate`.

    Raises:
        TypeError: If `success` is neither a text nor callable, or `key` is no text.
        ValueError: If `success` is another text, `key` is empty, or there is a key for a callable.
    """
    if key is not None and not isinstance(key, str):
        raise TypeError(f"expected a text as success_key, got {type(key).__name__}")
    if key == "":
        raise ValueError("expected a key of the infos as success_key, got an empty text")
    if callable(success):
        if key is not None:
            raise ValueError(
                f"expected no success_key with a callable as success, got {key!r}; let the "
                f"callable read the key"
            )
        return SuccessRule(judge=cast("Judge", success))
    if not isinstance(success, str):
        raise TypeError(
            f"expected {_listed()} or a callable as success, got {type(success).__name__}"
        )
    if success not in _WHEN:
        raise ValueError(
            f"expected {_listed()} or a callable as success, got {success!r:.60}; a key of the "
            f"infos is success_key="
        )
    return SuccessRule(success, key or "")


def _listed() -> str:
    return ", ".join(map(repr, _WHEN))


class EpisodeSuccess:
    """The success of one episode, while it is played.

    Args:
        rule: The rule.

    Attributes:
        is_unreadable: Whether an info that counts had a value that is no success or failure.
    """

    __slots__ = ("_infos", "_last", "_reported", "_rule", "is_unreadable")

    def __init__(self, rule: SuccessRule) -> None:
        self.is_unreadable = False
        self._rule = rule
        self._last: Mapping[Any, Any] = {}
        self._reported: bool | None = None
        self._infos: list[Mapping[Any, Any]] = []

    def stepped(self, info: Mapping[Any, Any]) -> None:
        """Record the info of a step."""
        rule = self._rule
        if rule.judge is not None:
            self._infos.append(owned(info))  # An environment may fill the same dict at each step.
        elif rule.when == LAST:
            self._last = info
        elif self._reported is None or (rule.when == ANY and not self._reported):
            reported = self._read(info)
            if reported is not None:
                self._reported = reported

    def decided(self) -> bool | None:
        """Return the success of the episode, which has ended; None: it is not known.

        Raises:
            TypeError: If the callable of the rule returns neither a bool nor None.
        """
        rule = self._rule
        if rule.judge is None:
            return self._read(self._last) if rule.when == LAST else self._reported
        answer = rule.judge(tuple(self._infos))
        success = None if answer is None else yes_or_no(answer)
        if answer is not None and success is None:
            raise TypeError(
                f"expected a bool or None from the success rule {rule.name}, got {answer!r:.60}"
            )
        return success

    def _read(self, info: Mapping[Any, Any]) -> bool | None:
        for key in self._rule.keys:
            if key in info:
                success = yes_or_no(info[key])
                self.is_unreadable = self.is_unreadable or success is None
                return success
        return None


def yes_or_no(value: Any) -> bool | None:
    """Return a bool, a number but NaN, or an array of one of these, as a bool; else None."""
    if not isinstance(value, (bool, int, float)):
        found = numbers_of(value)
        if found is None or math.prod(found[1]) != 1:
            return None
        (value,) = found[0].unpack(found[2])
    return bool(value) if value == value else None
