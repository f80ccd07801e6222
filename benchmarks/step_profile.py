"""`python -m benchmarks.step_profile`: the time of a step over frames, by stage.

Client and server record the time, by the clock that both processes share, at which a step passes
from one stage to the next, so that the stages add up to the step. Run by `make bench`.
"""

from __future__ import annotations

import json
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import gymnasium
import numpy as np

import rlmesh
from rlmesh._transport.socket.framing import FrameSocket
from rlmesh._transport.socket.unix import LocalFrameSocket
from rlmesh.numpy import RemoteEnv

__all__ = ["main"]

STEPS = 3000
STAGES = (
    "client: action to frame",
    "to the server, its waking included",
    "server: frame to action",
    "env.step",
    "server: results to frame",
    "to the client, its waking included",
    "client: frame to results",
)


class ImageEnv(gymnasium.Env[Any, Any]):
    """An environment that returns two images in turn, at no cost."""

    action_space = gymnasium.spaces.Discrete(2)

    def __init__(self) -> None:
        self.observation_space = gymnasium.spaces.Box(0, 255, (480, 640, 3), np.uint8)
        self._images = [np.full((480, 640, 3), fill, np.uint8) for fill in (1, 2)]
        self._turn = 0

    def reset(self, *, seed: int | None = None, options: Any = None) -> tuple[Any, dict[str, Any]]:
        return self._images[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        self._turn ^= 1
        return self._images[self._turn], 0.0, False, False, {}


ENVS: dict[str, Callable[[], Any]] = {
    "CartPole": lambda: gymnasium.make("CartPole-v1"),
    "480x640x3": ImageEnv,
}


def noting(owner: Any, name: str, notes: list[int], *, before: bool = False) -> None:
    """Make a method record the time when it returns, or when it is called."""
    method = getattr(owner, name)
    now = time.perf_counter_ns

    def noted(*arguments: Any) -> Any:
        if before:
            notes.append(now())
            return method(*arguments)
        result = method(*arguments)
        notes.append(now())
        return result

    setattr(owner, name, noted)


def serve(name: str) -> None:
    """Serve an environment, and print the recorded times at the end."""
    received: list[int] = []
    asked: list[int] = []
    stepped: list[int] = []
    sent: list[int] = []
    env = ENVS[name]()
    noting(env, "step", asked, before=True)
    noting(env, "step", stepped)
    noting(FrameSocket, "receive", received)
    noting(LocalFrameSocket, "send", sent, before=True)
    server = rlmesh.EnvServer(env)
    server.serve(on_ready=lambda: print(server.address, flush=True))
    print(json.dumps([received, asked, stepped, sent]))


def profile(name: str) -> dict[str, list[float]]:
    """Return the microseconds of each stage of each step."""
    command = [sys.executable, "-m", "benchmarks.step_profile", "serve", name]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        try:
            mine = play(server.stdout.readline().strip())
        finally:
            server.send_signal(signal.SIGTERM)
        theirs = json.loads(server.stdout.read())
    stages: dict[str, list[float]] = {stage: [] for stage in STAGES}
    for begun, sent, received, ended in mine:
        # Each list has one time between the client's two.
        inner = [next(t for t in times if sent <= t <= received) for times in after(theirs, sent)]
        marks = [begun, sent, *inner, received, ended]
        for stage, start, end in zip(STAGES, marks, marks[1:]):
            stages[stage].append((end - start) / 1000)
    return stages


def after(lists: list[list[int]], moment: int) -> list[list[int]]:
    """Return the rest of each list after a moment; the lists themselves get shorter."""
    for times in lists:
        while times and times[0] < moment:
            times.pop(0)
    return lists


def play(address: str) -> list[tuple[int, int, int, int]]:
    """Return the times at which each step began, was sent, was answered and ended."""
    sent: list[int] = []
    received: list[int] = []
    noting(LocalFrameSocket, "send", sent, before=True)
    noting(FrameSocket, "receive", received)
    env = RemoteEnv(address, transport="frames")
    env.reset(seed=0)
    marks = []
    for _ in range(STEPS):
        begun = time.perf_counter_ns()
        ended = env.step(1)
        marks.append((begun, sent[-1], received[-1], time.perf_counter_ns()))
        if ended[2]:
            env.reset()
    env.close()
    return marks[STEPS // 10 :]


def main(arguments: list[str]) -> int:
    """Measure and print; the last line is JSON."""
    if arguments[:1] == ["serve"]:
        serve(arguments[1])
        return 0
    told = {}
    for name in ENVS:
        stages = profile(name)
        whole = statistics.median(map(sum, zip(*stages.values())))
        medians = {stage: statistics.median(spent) for stage, spent in stages.items()}
        print(f"{name + ': microseconds of a step, medians':44}")
        for stage, median in medians.items():
            print(f"  {stage:42}{median:8.1f}{median / whole:8.0%}")
        print(f"  {'the step, as the client sees it':42}{whole:8.1f}")
        told[name] = {"step_us": whole, "stages_us": medians}
    print(json.dumps(told))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
