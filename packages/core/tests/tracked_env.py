"""The environment whose runs the tests of trackers track."""

from __future__ import annotations

from typing import Any

from rlmesh.spaces import Discrete

__all__ = ["Odd"]


class Odd:
    """An episode of one step, with success and a reward of 1 for odd seeds; seed 4 raises."""

    observation_space = Discrete(9)
    action_space = Discrete(2)

    def __init__(self, fatal: int | None = None) -> None:
        self.fatal = fatal

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.seed = seed
        return 0, {}

    def step(self, action: Any) -> Any:
        if self.seed == self.fatal:
            raise KeyboardInterrupt
        if self.seed == 4:
            raise RuntimeError("it broke")
        odd = self.seed % 2
        return 1, float(odd), True, False, {"success": bool(odd)}

    def close(self) -> None: ...
