"""Servers of CartPole and clients that play it, by the language that they are written in."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import gymnasium

from packages.thin.tests.test_thin_host import serving as thin_host
from rlmesh import EnvServer, ServeOptions
from rlmesh.numpy import RemoteEnv
from tests.cpp import programs as cpp
from tests.node import programs as node
from tests.node.programs import Episodes, line_of

__all__ = ["CLIENTS", "SERVERS", "TOKEN"]

TOKEN = "s3cret"


def _make() -> Any:
    return gymnasium.make("CartPole-v1")


@contextmanager
def _python_server(address: str) -> Generator[str, None, None]:
    with EnvServer(_make(), address, token=TOKEN, options=ServeOptions(frames=False)) as server:
        yield server.address


@contextmanager
def _thin_server(address: str) -> Generator[str, None, None]:
    with thin_host(address, TOKEN, make=lambda _: _make()) as (where, _):
        yield where


@contextmanager
def _node_server(address: str) -> Generator[str, None, None]:
    node.build_or_skip()
    with node.serving(address, token=TOKEN) as where:
        yield where


SERVERS: dict[str, Callable[[str], AbstractContextManager[str]]] = {
    "python": _python_server,
    "thin": _thin_server,
    "cpp": lambda address: cpp.serving(address, TOKEN),
    "node": _node_server,
}
"""Serve CartPole at an address with the token; the address that it has."""


def _python_client(address: str, episodes: Episodes) -> list[str]:
    lines = []
    local = _make()
    with RemoteEnv(address, token=TOKEN) as env:
        assert env.observation_space == local.observation_space
        assert env.action_space == local.action_space
        for start in episodes.starts:
            options = {"state": start["state"]}
            lines.append(line_of(env.reset(seed=start["seed"], options=options)[0]))
            for at in range(501):
                observation, reward, *ended, _ = env.step(at % 2)
                lines.append(line_of(observation, f"{reward:g}", *(str(x).lower() for x in ended)))
                if any(ended):
                    break
    return lines


def _cpp_client(address: str, episodes: Episodes) -> list[str]:
    starts = "".join(
        " ".join([str(start["seed"]), *map(repr, start["state"])]) + "\n"
        for start in episodes.starts
    )
    command = [cpp.compiled("tests/play_episodes.cpp", *cpp.FLAGS), address, TOKEN]
    done = subprocess.run(
        command, input=starts, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def _node_client(address: str, episodes: Episodes) -> list[str]:
    node.build_or_skip()
    return node.run("play.js", address, json.dumps(episodes.starts), json.dumps({"token": TOKEN}))


CLIENTS: dict[str, Callable[[str, Episodes], list[str]]] = {
    "python": _python_client,
    "cpp": _cpp_client,
    "node": _node_client,
}
"""Play episodes at an address; the lines of their observations."""
