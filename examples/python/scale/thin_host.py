"""Serve an environment by the thin host, in the Python of an old simulator, and play it from here.

The host is one file, which needs NumPy alone. `--python` is the interpreter of the simulator, such
as that of a conda environment with Python 3.8; this process needs none of its packages.
"""

import argparse
import os
import select
import subprocess
import sys
import tempfile
from pathlib import Path

import rlmesh

STARTED = 60  # Largest time in seconds for the simulator to start.


def write_host(folder):
    """Write the host's file, as `rlmesh thin > host.py` does; return its path."""
    path = Path(folder) / "host.py"
    command = [sys.executable, "-m", "rlmesh", "thin"]
    path.write_bytes(subprocess.run(command, check=True, capture_output=True).stdout)
    return path


def start(python, host, env, arguments, socket):
    """Start the host; return the process and the address that it writes once it is ready."""
    reader, writer = os.pipe()
    command = [python, str(host), env, "--args", arguments, "--address", f"frames+unix://{socket}"]
    process = subprocess.Popen([*command, "--ready-fd", str(writer)], pass_fds=[writer])
    os.close(writer)
    with os.fdopen(reader) as pipe:
        came, _, _ = select.select([pipe], [], [], STARTED)
        address = pipe.readline().strip() if came else ""
    if not address:
        process.kill()
        process.wait()
        raise SystemExit("the host did not start: see its output above")
    return process, address


def main(
    python=sys.executable, env="gymnasium:make", arguments='{"id": "CartPole-v1"}', episodes=5
):
    """Play episodes of random actions, and stop the host."""
    with tempfile.TemporaryDirectory() as folder:
        host = write_host(folder)
        process, address = start(python, host, env, arguments, f"{folder}/env.sock")
        try:
            result = rlmesh.evaluate(rlmesh.RANDOM_SAMPLE, address, seeds=range(episodes))
        finally:
            process.terminate()
            process.wait(20)
    print(f"{len(result.episodes)} episodes, mean reward {result.mean_reward:.1f}")
    return result


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--env", default="gymnasium:make", help="module:callable")
    parser.add_argument("--arguments", default='{"id": "CartPole-v1"}', help="as JSON")
    main(**vars(parser.parse_args()))
