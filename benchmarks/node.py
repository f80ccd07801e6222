"""`python -m benchmarks.node`: a step of CartPole over frames, with Node at either end or at none.

Each server is a process of its own; the rounds of the sides are interleaved. "py-node" is a Python
client of the Node server, and so on. It needs Node 20 and npm.
"""

from __future__ import annotations

import json
import statistics
import sys
from collections.abc import Callable
from contextlib import ExitStack

from benchmarks.cpp import PYTHON_SERVER, line_of, process
from benchmarks.thin import ROUNDS, STEPS, measure
from rlmesh.numpy import RemoteEnv
from tools.node.package import TESTS, build

__all__ = ["main"]

ADDRESS = "frames://127.0.0.1:0"
TARGET_US = 130.0
"""Max median of a step of a Node client with a Python server, in microseconds."""


def compare(stack: ExitStack) -> dict[str, float]:
    """Return the median microseconds of each side, and print them with ratios to "py-py"."""
    servers = {
        "py": [sys.executable, "-c", PYTHON_SERVER],
        "node": ["node", str(TESTS / "serve.js")],
    }
    sides: dict[str, Callable[[], float]] = {}
    for server, command in servers.items():
        address = line_of(stack.enter_context(process([*command, ADDRESS])))
        remote = RemoteEnv(address)
        stack.callback(remote.close)
        remote.reset(seed=0)
        sides[f"py-{server}"] = lambda remote=remote: measure(remote)  # type: ignore[misc]
    for server, command in servers.items():
        address = line_of(stack.enter_context(process([*command, ADDRESS])))
        steps = ["node", str(TESTS / "steps.js"), address, str(STEPS)]
        playing = stack.enter_context(process(steps))
        sides[f"node-{server}"] = lambda playing=playing: float(line_of(playing, "go"))  # type: ignore[misc]
    rounds = [{name: side() for name, side in sides.items()} for _ in range(ROUNDS)][1:]
    medians = {name: statistics.median(r[name] for r in rounds) for name in sides}
    for name, median in medians.items():
        ratio = statistics.median(r[name] / r["py-py"] for r in rounds)
        print(f"{name}: {median:.1f} us a step, {ratio:.2f} of py-py")
    return medians


def main() -> int:
    """Measure and print; return 1 if a Node client's step takes longer than its target."""
    build()
    with ExitStack() as stack:
        found = compare(stack)
    print(json.dumps(found))
    return int(found["node-py"] > TARGET_US)


if __name__ == "__main__":
    raise SystemExit(main())
