"""`python -m benchmarks.cpp`: a step of CartPole over frames, with C++ at either end or at none.

Each server is a process of its own; the rounds of the sides are interleaved. "py-cpp" is a Python
client of the C++ server, and so on. It needs a C++ compiler (`CXX`, else g++).
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Callable, Generator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.thin import ROUNDS, STEPS, measure
from rlmesh.numpy import RemoteEnv

__all__ = ["main"]

CPP = Path(__file__).resolve().parents[1] / "clients" / "cpp"
PYTHON_SERVER = (
    "import sys, rlmesh, benchmarks.thin as sides\n"
    "server = rlmesh.EnvServer(sides.cart_pole(), sys.argv[1])\n"
    "server.serve(on_ready=lambda: print(server.address, flush=True))\n"
)


def compiled(folder: Path, source: str) -> str:
    """Return an optimised program of a source file."""
    program = folder / Path(source).stem
    compiler = os.environ.get("CXX") or shutil.which("g++") or "c++"
    command = [compiler, "-std=c++17", "-O2", "-DNDEBUG", f"-I{CPP / 'include'}"]
    subprocess.run([*command, str(CPP / source), "-o", program, "-pthread"], check=True)
    return str(program)


@contextmanager
def process(command: list[str]) -> Generator[subprocess.Popen[str], None, None]:
    """Yield a process with pipes, and end it."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as running:
        try:
            yield running
        finally:
            running.terminate()


def line_of(running: subprocess.Popen[str], ask: str | None = None) -> str:
    """Return the next line that a process prints, after a line to it."""
    assert running.stdin is not None and running.stdout is not None
    if ask is not None:
        print(ask, file=running.stdin, flush=True)
    return running.stdout.readline().strip()


def compare(stack: ExitStack, folder: Path, scheme: str) -> dict[str, float]:
    """Return the median microseconds of each side, and print them with ratios to "py-py"."""
    steps, serve = (
        compiled(folder, "tests/steps.cpp"),
        compiled(folder, "examples/serve_cartpole.cpp"),
    )
    servers = {"py": [sys.executable, "-c", PYTHON_SERVER], "cpp": [serve]}
    sides: dict[str, Callable[[], float]] = {}
    for client in ("py", "cpp"):
        for server, command in servers.items():
            name = f"{client}-{server}"
            given = (
                f"frames+unix://{folder}/{name}.sock"
                if scheme == "unix"
                else "frames://127.0.0.1:0"
            )
            address = line_of(stack.enter_context(process([*command, given])))
            if client == "py":
                remote = RemoteEnv(address)
                stack.callback(remote.close)
                remote.reset(seed=0)
                sides[name] = lambda remote=remote: measure(remote)  # type: ignore[misc]
            else:
                playing = stack.enter_context(process([steps, address, str(STEPS)]))
                sides[name] = lambda playing=playing: float(line_of(playing, "go"))  # type: ignore[misc]
    rounds = [{name: side() for name, side in sides.items()} for _ in range(ROUNDS)][1:]
    medians = {name: statistics.median(r[name] for r in rounds) for name in sides}
    for name, median in medians.items():
        ratio = statistics.median(r[name] / r["py-py"] for r in rounds)
        print(f"{scheme} {name}: {median:.1f} us a step, {ratio:.2f} of py-py")
    return medians


def main() -> int:
    """Measure and print."""
    found: dict[str, dict[str, float]] = {}
    for scheme in ("unix", "tcp"):
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            found[scheme] = compare(stack, folder, scheme)
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
