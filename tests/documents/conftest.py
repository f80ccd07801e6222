"""Fixtures of the tests of documents."""

from __future__ import annotations

import socket
from collections.abc import Generator

import pytest

import rlmesh
from tests.integration.envs import CounterEnv


@pytest.fixture
def port() -> int:
    """A port that was free just now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        number: int = free.getsockname()[1]
        return number


@pytest.fixture
def counter() -> Generator[rlmesh.EnvServer, None, None]:
    """A server of the CounterEnv, in this process."""
    with rlmesh.EnvServer(CounterEnv()) as server:
        yield server
