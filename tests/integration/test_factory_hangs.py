"""A factory that hangs without a `call_timeout`: its client gets an error, and its slot is free."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, errors
from tests.integration.envs import CounterEnv, make_slowly


@pytest.fixture(autouse=True)
def transport() -> None:
    """Sessions are opened over gRPC alone."""


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


def is_told(server: EnvServer, note: Path, end: Callable[[], object]) -> None:
    """Check that a client of a hanging factory gets an error, and that a later one is served."""
    RemoteEnv(server.address).close()
    note.touch()
    with pytest.raises(errors.ConnectError, match=r"opened no session within 1 s; it may"):
        RemoteEnv(server.address, connect_timeout=1)
    end()
    with RemoteEnv(server.address, wait=20) as remote:
        assert remote.reset()[0] == 0


def test_a_client_that_leaves_a_factory_that_hangs_frees_the_place(note: Path) -> None:
    factory = functools.partial(make_slowly, str(note))
    with EnvServer(factory=factory, workers="process") as server:
        is_told(server, note, note.unlink)


def test_a_client_is_told_of_a_factory_that_hangs_in_a_thread(note: Path) -> None:
    going_on = threading.Event()

    def factory() -> Any:
        if note.exists():
            going_on.wait(60)
        return CounterEnv()

    with EnvServer(factory=factory) as server:
        is_told(server, note, going_on.set)
