"""Programs of packages/typescript/test, compiled once, and CartPole as they play it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import gymnasium
import numpy as np
import pytest

from tests.processes import announced
from tools.node.package import TESTS, NotInstalledError, build

__all__ = ["Episodes", "build_or_skip", "line_of", "play", "run", "serving"]


def build_or_skip() -> None:
    """Compile the package and its programs, once; skip if npm or the network is missing."""
    try:
        build()
    except NotInstalledError as error:
        pytest.skip(str(error))


def run(program: str, *arguments: str) -> list[str]:
    """Return the lines that a program prints; fail if it fails."""
    # Node 20 has WebSockets behind this flag, and later ones have them without it.
    command = ["node", "--experimental-websocket", str(TESTS / program), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def serving(address: str, **options: Any) -> AbstractContextManager[str]:
    """Serve CartPole by Node; the address that it has."""
    return announced(["node", str(TESTS / "serve.js"), address, json.dumps(options)])


class Episodes:
    """Episodes of Gymnasium's CartPole, whose actions are 0 and 1 in turn.

    Attributes:
        starts: Seed and state of each episode's beginning.
        lines: What `play.js` prints for them.
    """

    def __init__(self, seeds: Sequence[int]) -> None:
        self.starts: list[dict[str, Any]] = []
        self.lines: list[str] = []
        env = gymnasium.make("CartPole-v1")
        for seed in seeds:
            observation, _ = env.reset(seed=seed)
            state = [float(number) for number in env.unwrapped.state]  # type: ignore[attr-defined]
            self.starts.append({"seed": seed, "state": state})
            self.lines.append(line_of(observation))
            self._play(env)

    def _play(self, env: Any) -> None:
        for at in range(501):
            observation, reward, *ended, _ = env.step(at % 2)
            flags = [str(flag).lower() for flag in ended]
            self.lines.append(line_of(observation, f"{reward:g}", *flags))
            if any(ended):
                return
        raise AssertionError("an episode of CartPole has at most 500 steps")


def line_of(observation: Any, *facts: str) -> str:
    """Return the line of an observation, and of the reward and the flags of its step."""
    return " ".join([np.asarray(observation).tobytes().hex(), *facts])


def play(address: str, episodes: Episodes, options: Mapping[str, Any] | None = None) -> None:
    """Play the episodes by Node: each value equal to the bit, each step applied once."""
    arguments = (json.dumps(episodes.starts), json.dumps(options or {}))
    assert run("play.js", address, *arguments) == episodes.lines
