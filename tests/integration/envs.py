"""Environments that misbehave, without any dependency."""

from __future__ import annotations

from typing import Any

import rlmesh

__all__ = ["CounterEnv", "ScriptedEnv"]


class CounterEnv:
    """The environment of the quickstart: counts steps modulo 5, three an episode."""

    observation_space = rlmesh.spaces.Discrete(5)
    action_space = rlmesh.spaces.Discrete(2)

    def __init__(self) -> None:
        self.step_count = 0
        self.closed = 0

    def reset(self, seed: Any = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        self.step_count = 0
        return 0, {}

    def step(self, action: Any) -> Any:
        self.step_count += 1
        terminated = self.step_count >= 3
        return self.step_count % 5, 1.0, terminated, False, {"action": action}

    def close(self) -> None:
        self.closed += 1


class ScriptedEnv(CounterEnv):
    """Answers its next steps and resets with what was put into `script`; exceptions are raised."""

    def __init__(self, *script: Any) -> None:
        super().__init__()
        self.script = list(script)

    def _next(self, usual: Any) -> Any:
        if not self.script:
            return usual
        item = self.script.pop(0)
        if isinstance(item, BaseException):
            raise item
        return item

    def step(self, action: Any) -> Any:
        return self._next(super().step(action))
