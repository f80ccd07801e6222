"""An environment for each session: in threads, and in processes that may die."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import importlib.util
import os
import queue
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal

import pytest

import rlmesh
from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from tests.integration.envs import (
    CounterEnv,
    MischiefEnv,
    ParentEnv,
    ScriptedEnv,
    SlowToUnpack,
    StubbornEnv,
    ThreadedEnv,
    make_slowly,
)
from tests.processes import ROOT, running, until

Workers = Literal["thread", "process"]
HAS_CLOUDPICKLE = importlib.util.find_spec("cloudpickle") is not None

ENDS = [asyncio.CancelledError, SystemExit, GeneratorExit, KeyboardInterrupt]

both = pytest.mark.parametrize("workers", ["thread", "process"])


def trouble(word: str) -> int:
    return MischiefEnv.TROUBLES.index(word)


def lines(note: Path) -> list[list[str]]:
    return [line.split() for line in note.read_text().splitlines()] if note.exists() else []


def alive(pid: int) -> bool:
    try:
        return "Z" not in Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False


@pytest.fixture
def note(tmp_path: Path) -> Path:
    return tmp_path / "note"


@pytest.fixture
def factory(note: Path) -> Any:
    return functools.partial(MischiefEnv, str(note))


# The owner of an environment.


@pytest.mark.every_transport
@both
def test_each_session_has_an_environment_of_its_own(factory: Any, workers: Workers) -> None:
    with (
        EnvServer(factory=factory, max_sessions=2, workers=workers) as server,
        RemoteEnv(server.address) as one,
        RemoteEnv(server.address) as other,
    ):
        first, second = one.reset()[1], other.reset()[1]
        assert first != second
        assert (first["pid"] == second["pid"] == os.getpid()) == (workers == "thread")
        assert [one.step(0)[0] for _ in range(3)] == [1, 2, 3]
        assert other.step(0)[0] == 1
        assert [other.step(0)[4], one.step(0)[4]] == [second, first]


@both
def test_it_is_made_called_and_closed_by_one_thread(
    factory: Any, note: Path, workers: Workers
) -> None:
    with (
        EnvServer(factory=factory, workers=workers) as server,
        RemoteEnv(server.address) as remote,
    ):
        place = [*map(str, remote.reset()[1].values())]
        remote.step(0)
    assert lines(note) == [["made", *place], ["closed", *place]]


@both
def test_it_ends_with_its_session_and_the_next_one_gets_another(
    factory: Any, note: Path, workers: Workers
) -> None:
    with EnvServer(factory=factory, workers=workers) as server:
        for _ in range(3):
            with RemoteEnv(server.address) as remote:
                remote.reset()
                assert remote.step(0)[0] == 1
        assert [word for word, *_ in lines(note)] == ["made", "closed"] * 3


@both
def test_what_is_left_is_closed_with_the_server(factory: Any, note: Path, workers: Workers) -> None:
    server = EnvServer(factory=factory, max_sessions=3, workers=workers, spares=1)
    server.start()
    remotes = [RemoteEnv(server.address) for _ in range(2)]
    pids = [remote.reset()[1]["pid"] for remote in remotes]
    until(lambda: len(lines(note)) == 3, 30)
    server.shutdown()
    assert sorted(word for word, *_ in lines(note)) == ["closed"] * 3 + ["made"] * 3
    if workers == "process":
        assert not any(map(alive, pids))
    until(lambda: "rlmesh-worker" not in [t.name for t in threading.enumerate()], 10)


@pytest.mark.own_transport
@both
def test_a_server_that_never_serves_closes_the_first_one(
    factory: Any, note: Path, workers: Workers
) -> None:
    EnvServer(factory=factory, workers=workers).shutdown()
    assert [word for word, *_ in lines(note)] == ["made", "closed"]


@pytest.mark.own_transport
@both
def test_an_address_that_cannot_be_bound_leaves_nothing(
    factory: Any, note: Path, workers: Workers
) -> None:
    with EnvServer(CounterEnv()) as other, pytest.raises(errors.AddressError):
        EnvServer(address=other.address, factory=factory, workers=workers)
    assert [word for word, *_ in lines(note)] == ["made", "closed"]


@both
def test_the_one_too_many_is_told_and_may_stand_in_line(factory: Any, workers: Workers) -> None:
    with (
        EnvServer(factory=factory, max_sessions=2, workers=workers) as server,
        RemoteEnv(server.address),
    ):
        second = RemoteEnv(server.address)
        with pytest.raises(errors.BusyError, match="all 2 environments are held, the oldest"):
            RemoteEnv(server.address)
        threading.Timer(0.3, second.close).start()
        with RemoteEnv(server.address, wait=30) as third:
            assert third.reset()[0] == 0


@both
def test_spares_are_made_ahead(factory: Any, note: Path, workers: Workers) -> None:
    with EnvServer(factory=factory, max_sessions=2, workers=workers, spares=2) as server:
        until(lambda: len(lines(note)) == 2, 30)
        with RemoteEnv(server.address) as remote:
            place = [*map(str, remote.reset()[1].values())]
            assert ["made", *place] in lines(note)[:2]
            until(lambda: len(lines(note)) == 3, 30)


@pytest.mark.parametrize("places", [1, 3])
@pytest.mark.parametrize("spares", [None, 0, 1])
def test_everyone_in_line_gets_a_turn(places: int, spares: int | None, transport: str) -> None:
    if spares is None:
        server = EnvServer(CounterEnv())
    else:
        server = EnvServer(factory=CounterEnv, max_sessions=places, spares=spares)
    reconnects: list[Any] = []

    def visit(_: int) -> None:
        with RemoteEnv(
            server.address, wait=60, on_reconnect=reconnects.append, transport=transport
        ) as remote:
            remote.reset()
            assert [remote.step(0)[0] for _ in range(3)] == [1, 2, 3]

    with server, ThreadPoolExecutor(2 * places + 2) as clients:
        for _ in clients.map(visit, range(60)):
            pass
    assert not reconnects


@pytest.mark.own_transport
def test_a_session_that_comes_back_keeps_no_second_place() -> None:
    with (
        EnvServer(factory=CounterEnv, max_sessions=2) as server,
        RemoteEnv(server.address, transport="grpc") as one,
    ):
        one.reset()
        one._stub._session._transport._incoming.cancel()
        assert one.step(0)[0] == 1
        # It came back on the thread that the other one is to have.
        with RemoteEnv(server.address, transport="grpc") as other:
            assert other.reset()[0] == 0
            assert (one.step(0)[0], other.step(0)[0]) == (2, 1)


# What goes wrong.


class Counting:
    """A factory that makes what is next in a list; exceptions are raised."""

    def __init__(self, *made: Any) -> None:
        self.made = list(made)

    def __call__(self) -> Any:
        env = self.made.pop(0)
        if isinstance(env, BaseException):
            raise env
        return env


@pytest.mark.own_transport
def test_a_factory_that_fails_at_first_fails_the_server() -> None:
    with pytest.raises(LookupError, match="no simulator"):
        EnvServer(factory=Counting(LookupError("no simulator")))


@pytest.mark.own_transport
@pytest.mark.parametrize("kind", [LookupError, SystemExit])
def test_a_factory_that_fails_in_a_process_fails_the_server(kind: type[BaseException]) -> None:
    name = kind.__name__
    with pytest.raises(errors.EnvError, match=rf"factory\(\) raised {name}: no sim") as caught:
        EnvServer(factory=Counting(kind("no simulator")), workers="process")
    assert caught.value.exception_type == f"builtins.{name}"
    assert "in __call__" in caught.value.remote_traceback


def test_a_factory_that_fails_later_fails_that_session_alone() -> None:
    factory = Counting(CounterEnv(), LookupError("no simulator"), CounterEnv())
    with EnvServer(factory=factory) as server:
        RemoteEnv(server.address).close()
        with pytest.raises(errors.EnvError, match=r"factory\(\) raised LookupError: no sim"):
            RemoteEnv(server.address)
        with RemoteEnv(server.address) as remote:
            assert remote.reset()[0] == 0


@pytest.mark.own_transport
def test_a_factory_that_hangs_at_first_fails_the_server(note: Path) -> None:
    note.touch()
    factory = functools.partial(make_slowly, str(note))
    options = ServeOptions(call_timeout=1)
    with pytest.raises(errors.EnvTimeoutError, match=r"factory\(\) had not returned after 1\.\d s"):
        EnvServer(factory=factory, workers="process", options=options)


def test_a_factory_that_hangs_later_gives_its_place_back(note: Path) -> None:
    factory = functools.partial(make_slowly, str(note))
    options = ServeOptions(call_timeout=1)
    with EnvServer(factory=factory, workers="process", options=options) as server:
        RemoteEnv(server.address).close()  # It takes the one that was made at first.
        note.touch()
        with pytest.raises(errors.EnvTimeoutError, match="raise call_timeout"):
            RemoteEnv(server.address, connect_timeout=20)
        note.unlink()
        with RemoteEnv(server.address, wait=10) as remote:
            assert remote.reset()[0] == 0


def test_a_factory_that_hangs_after_a_crash_ends_the_session(note: Path) -> None:
    factory = functools.partial(make_slowly, str(note))
    options = ServeOptions(call_timeout=1)
    with EnvServer(factory=factory, workers="process", options=options) as server:
        remote = RemoteEnv(server.address)
        with pytest.raises(errors.EnvCrashedError):
            remote.step(trouble("segfault"))
        note.touch()
        remote.reset_async()
        with pytest.raises(errors.EnvTimeoutError, match=r"factory\(\) had not") as caught:
            remote.reset_wait(20)
        assert caught.value.session_closed
        note.unlink()
        with RemoteEnv(server.address, wait=10) as other:
            assert other.reset()[0] == 0


def test_what_a_process_imports_is_not_the_time_of_its_factory() -> None:
    options = ServeOptions(call_timeout=1)
    with (
        EnvServer(factory=SlowToUnpack(2), workers="process", options=options) as server,
        RemoteEnv(server.address) as remote,
    ):
        assert remote.reset()[0] == 0


@pytest.mark.parametrize("kind", ENDS)
def test_a_factory_that_would_end_a_thread_keeps_no_place(kind: type[BaseException]) -> None:
    factory = Counting(CounterEnv(), kind("no licence"), kind("no licence"), CounterEnv())
    with EnvServer(factory=factory) as server:
        RemoteEnv(server.address).close()
        for _ in range(2):
            with pytest.raises(errors.EnvError, match=rf"{kind.__name__}: no licence"):
                RemoteEnv(server.address, connect_timeout=10)
        with RemoteEnv(server.address) as remote:
            assert remote.reset()[0] == 0


@pytest.mark.parametrize("kind", [LookupError, *ENDS])
def test_a_spare_that_cannot_be_made_is_tried_again(kind: type[BaseException]) -> None:
    factory = Counting(CounterEnv(), kind("no licence"), *(CounterEnv() for _ in range(9)))
    with EnvServer(factory=factory, spares=2) as server:
        until(lambda: len(factory.made) == 9, 10)
        RemoteEnv(server.address).close()
        until(lambda: len(factory.made) <= 8, 10)


def test_a_spare_is_tried_again_for_a_session_that_opened_while_one_failed() -> None:
    opened, made = threading.Event(), list[int]()

    def factory() -> CounterEnv:
        made.append(len(made))
        if len(made) == 2:
            assert opened.wait(60)
            raise LookupError("no licence")
        return CounterEnv()

    with EnvServer(factory=factory, max_sessions=2, spares=1) as server:
        RemoteEnv(server.address).close()
        until(lambda: len(made) == 2, 10)  # The spare that fails is under way.
        RemoteEnv(server.address).close()
        opened.set()
        until(lambda: len(made) > 3, 10)


def test_a_factory_that_makes_something_else_is_refused() -> None:
    other = CounterEnv()
    other.action_space = rlmesh.spaces.Discrete(3)
    with EnvServer(factory=Counting(CounterEnv(), other, CounterEnv())) as server:
        RemoteEnv(server.address).close()
        with pytest.raises(errors.EnvError, match=r"action_space is Discrete\(3.*of the first"):
            RemoteEnv(server.address)
        assert other.closed == 1
        RemoteEnv(server.address).close()


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


DEATHS = [("segfault", -11, "signal SIGSEGV"), ("exit", 7, "code 7")]


def test_sys_exit_of_an_environment_ends_no_process(factory: Any) -> None:
    with (
        EnvServer(factory=factory, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        pid = remote.reset()[1]["pid"]
        with pytest.raises(errors.EnvError, match="SystemExit: 3") as caught:
            remote.step(trouble("sys.exit"))
        assert not isinstance(caught.value, errors.EnvCrashedError)
        assert remote.reset()[1]["pid"] == pid


@pytest.mark.every_transport
@pytest.mark.parametrize(("kind", "code", "words"), DEATHS)
def test_a_process_that_dies_is_an_answer(
    factory: Any, note: Path, kind: str, code: int, words: str
) -> None:
    with (
        EnvServer(factory=factory, max_sessions=2, workers="process") as server,
        RemoteEnv(server.address) as remote,
        RemoteEnv(server.address) as other,
    ):
        pid = remote.reset()[1]["pid"]
        other.reset()
        with pytest.raises(errors.EnvCrashedError, match=words) as caught:
            remote.step(trouble(kind))
        assert caught.value.exit_code == code
        assert not caught.value.session_closed
        with pytest.raises(errors.EnvCrashedError, match=f"not applied: .*{words}"):
            remote.step(0)
        again = remote.reset()[1]["pid"]
        assert again != pid
        assert remote.step(0)[0] == 1
        assert other.step(0)[0] == 1, "the other session has not noticed"
        assert not alive(pid)
    assert [word for word, *_ in lines(note)].count("made") == 3


def test_a_killed_process_is_an_answer(factory: Any) -> None:
    with (
        EnvServer(factory=factory, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        os.kill(remote.reset()[1]["pid"], signal.SIGKILL)
        with pytest.raises(errors.EnvCrashedError, match=r"SIGKILL \(9\); the system may have run"):
            remote.step(0)
        assert remote.reset()[0] == 0


@pytest.mark.parametrize("kind", ["fork", "program"])
def test_a_process_that_dies_is_noticed_though_its_child_lives(kind: str) -> None:
    """A forked child holds the worker's end of the connection, which does not break then."""
    factory = functools.partial(ParentEnv, kind)
    with (
        EnvServer(factory=factory, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        child = remote.reset()[1]["child"]
        remote.step_async(trouble("segfault"))
        with pytest.raises(errors.EnvCrashedError, match="signal SIGSEGV"):
            remote.step_wait(10)
        until(lambda: not alive(child), 10)
        assert remote.reset()[1]["child"] != child


@pytest.mark.parametrize("kind", ["fork", "program"])
def test_the_children_of_a_process_end_with_it(kind: str) -> None:
    factory = functools.partial(ParentEnv, kind)
    with (
        EnvServer(factory=factory, workers="process") as server,
        RemoteEnv(server.address) as remote,
    ):
        child = remote.reset()[1]["child"]
        remote.close()
        until(lambda: not alive(child), 10)


@pytest.mark.parametrize("kind", ["sleep", "hold the GIL"])
def test_a_call_that_hangs_is_ended(factory: Any, kind: str) -> None:
    options = ServeOptions(call_timeout=0.5)
    with (
        EnvServer(factory=factory, workers="process", options=options) as server,
        RemoteEnv(server.address) as remote,
    ):
        pid = remote.reset()[1]["pid"]
        with pytest.raises(errors.EnvTimeoutError, match=r"step\(\) had not returned after 0\.\d"):
            remote.step(trouble(kind))
        assert not alive(pid)
        with pytest.raises(errors.EnvCrashedError, match="not applied"):
            remote.step(0)
        assert remote.reset()[1]["pid"] != pid
        assert remote.step(0)[0] == 1


@both
def test_a_server_stops_while_a_call_hangs(factory: Any, workers: Workers) -> None:
    options = ServeOptions(close_timeout=0.3, grace_period=0)
    server = EnvServer(factory=factory, workers=workers, options=options)
    server.start()
    remote = RemoteEnv(server.address)
    pid = remote.reset()[1]["pid"]
    remote.step_async(trouble("sleep"))
    time.sleep(0.2)
    begun = time.monotonic()
    server.shutdown()
    assert time.monotonic() - begun < 20
    assert workers == "thread" or not alive(pid)
    with pytest.raises(errors.RLMeshError):
        remote.step_wait(10)


# What is left behind.

SERVER = """
import functools, sys
from rlmesh import EnvServer
from tests.integration.envs import MischiefEnv, ParentEnv
if __name__ == "__main__":
    server = EnvServer(factory=MischiefEnv, max_sessions=2, workers="process", spares=1)
    server.serve(on_ready=lambda: print(server.address, flush=True))
"""


@pytest.mark.parametrize("kind", ["none", "hold the GIL"])
def test_no_process_outlives_a_killed_server(kind: str, tmp_path: Path) -> None:
    script = tmp_path / "serving.py"
    script.write_text(SERVER)
    with running([str(script)], PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}") as server:
        address = server.wait_for(r"tcp://\S+").group()
        remote = RemoteEnv(address)
        pid = remote.reset()[1]["pid"]
        # Its own, and a spare.
        workers = until(lambda: w if len(w := children(server.process.pid)) == 2 else None, 30)
        assert pid in workers
        remote.step_async(trouble(kind))
        if kind == "none":
            remote.step_wait(10)
        server.stop(signal.SIGKILL)
        until(lambda: not alive(pid), 10)
        assert not children(server.process.pid)


@pytest.mark.parametrize("kind", ["fork", "program"])
def test_no_child_of_a_process_outlives_a_killed_server(kind: str, tmp_path: Path) -> None:
    script = tmp_path / "serving.py"
    factory = f"functools.partial(ParentEnv, {kind!r})"
    script.write_text(SERVER.replace("factory=MischiefEnv", f"factory={factory}"))
    with running([str(script)], PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}") as server:
        remote = RemoteEnv(server.wait_for(r"tcp://\S+").group())
        info = remote.reset()[1]
        server.stop(signal.SIGKILL)
        until(lambda: not alive(info["pid"]) and not alive(info["child"]), 10)


def children(pid: int) -> list[int]:
    """The worker processes of a server."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
            if parent == pid and b"worker_main" in (folder / "cmdline").read_bytes():
                found.append(int(folder.name))
    return found


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_stops_the_server_and_its_processes(number: int, tmp_path: Path) -> None:
    script = tmp_path / "serving.py"
    script.write_text(SERVER)
    with running([str(script)], PYTHONPATH=f"{ROOT}:{os.environ.get('PYTHONPATH', '')}") as server:
        remote = RemoteEnv(server.wait_for(r"tcp://\S+").group())
        pid = remote.reset()[1]["pid"]
        assert server.stop(number) == 0, server
        assert not alive(pid)
        assert "Traceback" not in server.errors


# Arguments.


@pytest.mark.skipif(not HAS_CLOUDPICKLE, reason="pickle takes no lambda")
def test_a_lambda_goes_to_a_process() -> None:
    offset = 0
    with (
        EnvServer(factory=lambda: CounterEnv() if offset == 0 else None, workers="process") as s,
        RemoteEnv(s.address) as remote,
    ):
        assert remote.reset()[0] == 0


@pytest.mark.own_transport
def test_a_factory_that_cannot_be_sent_is_refused() -> None:
    lock = threading.Lock()
    with pytest.raises(TypeError, match="cannot be sent to a worker process"):
        EnvServer(factory=functools.partial(MischiefEnv, lock), workers="process")


@pytest.mark.own_transport
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({}, "either an environment, or factory="),
        ({"env": CounterEnv(), "factory": CounterEnv}, "either an environment, or factory="),
        (
            {"env": CounterEnv(), "max_sessions": 2},
            "max_sessions, workers and spares need factory=",
        ),
        ({"env": CounterEnv(), "workers": "process"}, "need factory="),
        ({"factory": CounterEnv, "max_sessions": 0}, "max_sessions=0; expected 1 or more"),
        ({"factory": CounterEnv, "spares": -1}, "spares=-1; expected 0 or more"),
        ({"factory": CounterEnv, "workers": "fiber"}, "'fiber' is neither 'thread' nor 'process'"),
        (
            {"factory": CounterEnv, "options": ServeOptions(call_timeout=1)},
            "call_timeout needs factory= and workers='process'",
        ),
    ],
)
def test_arguments_that_do_not_go_together(arguments: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        EnvServer(**arguments)


@pytest.mark.own_transport
def test_a_factory_is_a_function() -> None:
    with pytest.raises(TypeError, match="cannot be called"):
        EnvServer(factory=CounterEnv())  # type: ignore[arg-type]


# The environments of Gymnasium.


@both
@pytest.mark.filterwarnings("ignore")
def test_gymnasiums_own_checker_passes_in_full(workers: Workers) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    pytest.importorskip("rlmesh_numpy")
    from gymnasium.utils.env_checker import check_env

    factory = functools.partial(gymnasium.make, "CartPole-v1", render_mode="rgb_array")
    with EnvServer(factory=factory, max_sessions=4, workers=workers) as server:
        env = gymnasium.make("rlmesh/Remote-v0", address=server.address)
        check_env(env.unwrapped)


@both
def test_a_remote_rollout_is_the_local_one(workers: Workers) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    numpy = pytest.importorskip("rlmesh_numpy")
    factory = functools.partial(gymnasium.make, "CartPole-v1")
    local = factory()
    with (
        EnvServer(factory=factory, workers=workers) as server,
        numpy.RemoteEnv(server.address) as remote,
    ):
        assert (remote.reset(seed=3)[0] == local.reset(seed=3)[0]).all()
        local.action_space.seed(3)
        over = False
        while not over:
            action = local.action_space.sample()
            expected, got = local.step(action), remote.step(action)
            assert got[0].tobytes() == expected[0].tobytes()
            assert got[1:] == expected[1:]
            over = expected[2] or expected[3]
