"""Sessions that are idle, or that a client has given up."""

from __future__ import annotations

import threading
import time
from dataclasses import replace
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from tests.inside import session_of, sessions_of
from tests.integration.envs import CounterEnv, plays_on
from tests.processes import until

# Idle clients.


@pytest.mark.every_transport
def test_a_client_that_asks_for_nothing_loses_its_session_and_is_told_why() -> None:
    options = ServeOptions(idle_timeout=1)
    with EnvServer(CounterEnv(), options=options) as server:
        remote = RemoteEnv(server.address)
        for _ in range(15):
            remote.reset()
            time.sleep(0.1)
        assert len(sessions_of(server)) == 1, "it was never idle for so long"
        until(lambda: not sessions_of(server), 10)
        with RemoteEnv(server.address) as other:
            plays_on(other)
        with pytest.raises(errors.SessionLostError, match=r"no request for 1 s \(idle_timeout"):
            remote.reset()


@pytest.mark.every_transport
def test_a_session_is_not_idle_while_its_call_runs() -> None:
    class SlowEnv(CounterEnv):
        def step(self, action: Any) -> Any:
            time.sleep(3)
            return super().step(action)

    with (
        EnvServer(SlowEnv(), options=ServeOptions(idle_timeout=1)) as server,
        RemoteEnv(server.address) as remote,
    ):
        remote.reset()
        assert remote.step(1)[0] == 1


def test_the_watch_ends_with_the_sessions() -> None:
    def watching() -> list[str]:
        return [t.name for t in threading.enumerate() if t.name == "rlmesh-idle"]

    with EnvServer(CounterEnv(), options=ServeOptions(idle_timeout=0.2)) as server:
        for _ in range(2):
            with RemoteEnv(server.address):
                until(watching, 10)
            until(lambda: not watching(), 10)


@pytest.mark.every_transport
def test_a_client_that_gives_up_its_session_leaves_the_environment_to_the_next() -> None:
    with EnvServer(CounterEnv()) as server:
        remote = RemoteEnv(server.address)
        remote.reset()

        def refuse(data: Any) -> Any:
            raise errors.CodecError("not to my taste")

        session_of(remote)._codec.read_reply = refuse
        with pytest.raises(errors.CodecError):
            remote.step(1)
        with RemoteEnv(server.address, wait=5) as other:  # Much sooner than a grace period.
            assert other.reset()[0] == 0


@pytest.mark.every_transport
def test_a_request_over_the_limit_is_not_sent_and_the_session_goes_on() -> None:
    with EnvServer(CounterEnv()) as server, RemoteEnv(server.address) as remote:
        remote.reset()
        session = session_of(remote)
        session.terms = replace(session.terms, max_message_bytes=100_000)
        with pytest.raises(errors.LimitError, match="100000"):
            remote.reset(options={"large": bytes(200_000)})
        assert remote.step(1)[0] == 1


@pytest.mark.every_transport
def test_a_session_that_cannot_be_watched_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """The system has no thread for the first one; the environment is free for the second one."""
    start, refused = threading.Thread.start, []

    def fail(thread: threading.Thread) -> None:
        if thread.name == "rlmesh-idle" and not refused:
            refused.append(thread)
            raise RuntimeError("can't start new thread")
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", fail)
    with EnvServer(CounterEnv(), options=ServeOptions(idle_timeout=30)) as server:
        with pytest.raises(errors.RLMeshError, match="start new thread"):
            RemoteEnv(server.address, connect_timeout=5)
        with RemoteEnv(server.address) as remote:
            assert remote.reset()[0] == 0
    assert refused
