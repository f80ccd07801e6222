"""A Ray actor that holds the environment."""

from __future__ import annotations

import os
import secrets
import shutil
import tempfile
from typing import Any

import ray  # pants: no-infer-dep

from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program


class Holder:
    """The environment, in a process of Ray."""

    def __init__(self, case: Case) -> None:
        self._env = environments.make(case)

    def pid(self) -> int:
        return os.getpid()

    def reset(self, seed: int | None) -> Any:
        return self._env.reset(seed=seed)

    def step(self, action: Any) -> Any:
        return self._env.step(action)


class Driver:
    """A client with an actor of its own."""

    def __init__(self, case: Case) -> None:
        self._vector = case.kind == "vector"
        # No core is reserved, because eight actors have to share two cores.
        self._actor: Any = ray.remote(num_cpus=0)(Holder).remote(case)
        self.pids = [ray.get(self._actor.pid.remote())]

    def reset(self, seed: int | None) -> Any:
        return ray.get(self._actor.reset.remote(seed))[0]

    def step(self, action: Any) -> tuple[Any, bool]:
        observation, _, terminated, truncated, _ = ray.get(self._actor.step.remote(action))
        return observation, not self._vector and (terminated or truncated)

    def close(self) -> None:
        ray.kill(self._actor)


def connect(case: Case, option: str, address: str) -> Driver:
    return Driver(case)


def main() -> None:
    """Run a separate Ray while requests come, and clean up afterwards."""
    # A token for this run only, because Ray would store one in the user's home.
    os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    # Not under build/, because the path of a Unix socket is limited in length.
    folder = tempfile.mkdtemp(prefix="peers-")
    try:
        ray.init(
            include_dashboard=False,
            num_cpus=2,
            object_store_memory=1 << 30,
            log_to_driver=False,
            _node_ip_address="127.0.0.1",
            _temp_dir=folder,
        )
        # A fork would lose Ray's threads; the actors are fresh processes anyway.
        program.run(connect, versions=["ray", "gymnasium", "numpy"], forks=False)
        ray.shutdown()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()
