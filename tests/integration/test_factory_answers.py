"""What fails in an environment of a factory is an answer to its session alone."""

from __future__ import annotations

import functools
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from tests.integration.envs import (
    CounterEnv,
    ScriptedEnv,
    StubbornEnv,
    ThreadedEnv,
)
from tests.integration.factory_subjects import ENDS, Workers, both, trouble


@both
def test_an_exception_is_an_answer(workers: Workers) -> None:
    factory = functools.partial(ScriptedEnv, LookupError("not today"))
    with (
        EnvServer(factory=factory, workers=workers) as server,
        RemoteEnv(server.address) as remote,
    ):
        with pytest.raises(errors.EnvError, match="not today") as caught:
            remote.step(0)
        assert caught.value.exception_type == "builtins.LookupError"
        assert "in step" in caught.value.remote_traceback
        assert remote.reset()[0] == 0
        assert remote.step(1)[0] == 1


@pytest.mark.parametrize("kind", ENDS)
@pytest.mark.parametrize("hosting", ["thread", "given"])
def test_an_exception_that_would_end_a_thread_is_an_answer(
    kind: type[BaseException], hosting: str
) -> None:
    env = ScriptedEnv(kind("not today"), (1, 1.0, False, False, {}), kind("nor now"))
    server = EnvServer(factory=lambda: env) if hosting == "thread" else EnvServer(env)
    with server, RemoteEnv(server.address) as remote:
        remote.reset()
        for words in ("not today", "nor now"):
            with pytest.raises(errors.EnvError, match=rf"{kind.__name__}: {words}") as caught:
                within(remote.step, 0)
            assert caught.value.exception_type.endswith(kind.__name__)
            within(remote.step, 0)
        assert not server.wait(0)


@both
def test_sys_exit_is_an_answer_that_ends_nothing(factory: Any, workers: Workers) -> None:
    with (
        EnvServer(factory=factory, workers=workers) as server,
        RemoteEnv(server.address) as remote,
    ):
        place = remote.reset()[1]
        with pytest.raises(errors.EnvError, match=r"step\(\) raised SystemExit: 3"):
            remote.step(trouble("sys.exit"))
        assert remote.step(0)[4] == place


@pytest.mark.parametrize("kind", ENDS)
def test_a_close_that_would_end_a_thread_is_an_answer(kind: type[BaseException]) -> None:
    class Parting(CounterEnv):
        def close(self) -> None:
            raise kind("it does not close")

    with EnvServer(factory=Parting) as server:
        for _ in range(2):
            remote = RemoteEnv(server.address)
            with pytest.raises(errors.EnvError, match=r"close\(\) raised .*: it does not"):
                within(remote.close)
    server = EnvServer(Parting())
    server.start()
    RemoteEnv(server.address).close()
    within(server.shutdown)


def within(call: Callable[..., Any], *arguments: Any) -> Any:
    """The result of a call that must not hang."""
    outcome: queue.SimpleQueue[Any] = queue.SimpleQueue()

    def work() -> None:
        try:
            outcome.put(call(*arguments))
        except errors.RLMeshError as error:
            outcome.put(error)

    threading.Thread(target=work, daemon=True).start()
    result = outcome.get(timeout=20)
    if isinstance(result, Exception):
        raise result
    return result


@both
def test_what_cannot_be_sent_is_an_answer(workers: Workers) -> None:
    bad = (0, "much", False, False, {})
    factory = functools.partial(ScriptedEnv, bad)
    with (
        EnvServer(factory=factory, workers=workers) as server,
        RemoteEnv(server.address) as remote,
    ):
        with pytest.raises(errors.EnvError, match="reward: expected one number"):
            remote.step(0)
        assert remote.reset()[0] == 0


@both
def test_an_exception_in_close_is_told_to_the_one_who_closes(workers: Workers) -> None:
    with EnvServer(factory=StubbornEnv, workers=workers) as server:
        remote = RemoteEnv(server.address)
        with pytest.raises(errors.EnvError, match=r"close\(\) raised LookupError: it does not"):
            remote.close()
        remote.close()
        with pytest.raises(errors.EnvError, match="it does not close"), RemoteEnv(server.address):
            pass


@both
def test_a_close_that_hangs_is_left_alone(workers: Workers) -> None:
    factory = functools.partial(StubbornEnv, 60.0)
    options = ServeOptions(close_timeout=0.3)
    begun = time.monotonic()
    with EnvServer(factory=factory, workers=workers, options=options) as server:
        remote = RemoteEnv(server.address)
        if workers == "process":
            with pytest.raises(errors.EnvTimeoutError, match=r"close\(\) had not returned"):
                remote.close()
    assert time.monotonic() - begun < 30


@pytest.mark.parametrize("seconds", [0.2, 60])
def test_a_thread_that_is_left_behind_is_no_failure_of_close(note: Path, seconds: float) -> None:
    factory = functools.partial(ThreadedEnv, str(note), seconds)
    options = ServeOptions(close_timeout=3)
    with EnvServer(factory=factory, workers="process", options=options) as server:
        remote = RemoteEnv(server.address)
        begun = time.monotonic()
        remote.close()
        assert time.monotonic() - begun < 20
        assert note.exists() == (seconds < 1), "it has the time that closing has"
