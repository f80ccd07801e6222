"""First calls that gRPC cancels because a server has too many: the client makes them again."""

from __future__ import annotations

import threading
from typing import Any

import grpc
import pytest

from rlmesh import EnvServer, Model, ModelServer, RemoteEnv, RemoteModel, errors
from rlmesh._transport.grpc import server as grpc_server
from rlmesh._transport.grpc.open_calls import CallLimit
from rlmesh.spaces import Discrete
from tests.faults import between


class StillEnv:
    observation_space = action_space = Discrete(3)

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        return 0, {}

    def step(self, action: int) -> Any:
        return action, 1.0, False, False, {}

    def close(self) -> None:
        pass


@pytest.fixture
def refused(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Methods of which the next call is cancelled, one for each entry."""
    methods: list[str] = []

    def before(method: str, cancel: Any) -> None:
        handler = getattr(grpc_server._Handler, method)

        def handle(self: Any, *arguments: Any) -> Any:
            context = next(a for a in arguments if isinstance(a, grpc.ServicerContext))
            if method in methods:
                methods.remove(method)
                context.cancel()
                return cancel
            return handler(self, *arguments)

        monkeypatch.setattr(grpc_server._Handler, method, handle)

    before("_session", None)
    before("_describe", b"")
    return methods


def test_a_session_is_opened_again_after_calls_that_were_refused(refused: list[str]) -> None:
    with EnvServer(StillEnv()) as server:
        refused += ["_session"] * 3
        with RemoteEnv(server.address, transport="grpc") as remote:
            assert not refused
            assert remote.reset()[0] == 0 and remote.step(2)[0] == 2


def test_a_server_that_refuses_all_is_given_up_in_time(refused: list[str]) -> None:
    with EnvServer(StillEnv()) as server:
        refused += ["_session"] * 1000
        with pytest.raises(errors.ConnectError, match="CANCELLED"):
            RemoteEnv(server.address, transport="grpc", connect_timeout=1.0)
        assert 999 > len(refused) > 900, "again, with pauses in between"


def test_a_resume_that_was_refused_is_tried_again(refused: list[str]) -> None:
    with (
        EnvServer(StillEnv()) as server,
        between(server.address, "grpc") as (address, proxy),
        RemoteEnv(address, transport="grpc") as remote,
    ):
        remote.reset()
        refused += ["_session"] * 3
        proxy.cut()
        assert remote.step(2)[0] == 2 and not refused


def test_a_description_is_asked_for_again(refused: list[str]) -> None:
    with ModelServer(Model(int)) as server:
        refused += ["_describe"] * 3
        with RemoteModel(server.address) as remote:
            assert remote.spec and not refused


class Call:
    """A call of a connection, which may be cancelled."""

    def __init__(self, peer: str) -> None:
        self.name = peer
        self.cancelled = threading.Event()

    def peer(self) -> str:
        return self.name

    def cancel(self) -> None:
        self.cancelled.set()


def test_the_connection_with_most_calls_loses_one() -> None:
    """An honest call is the oldest one here, and others come after it."""
    limit = CallLimit(4)
    honest, others = Call("honest"), [Call("flood") for _ in range(20)]
    holding: Any = [limit.holding(call) for call in (honest, *others)]  # type: ignore[arg-type]
    for held in holding:
        held.__enter__()
    assert not honest.cancelled.is_set()
    assert sum(call.cancelled.is_set() for call in others) == 17
