"""An environment for each session, in threads and in processes."""

from __future__ import annotations

import functools
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from tests.inside import connection_of
from tests.integration.envs import (
    CounterEnv,
    MischiefEnv,
    SlowToUnpack,
    make_slowly,
)
from tests.integration.factory_subjects import ENDS, Workers, alive, both, lines, trouble
from tests.processes import until


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
    before = set(threading.enumerate())  # Workers of other tests may hang on purpose.
    server = EnvServer(factory=factory, max_sessions=3, workers=workers, spares=1)
    server.start()
    remotes = [RemoteEnv(server.address) for _ in range(2)]
    pids = [remote.reset()[1]["pid"] for remote in remotes]
    until(lambda: len(lines(note)) == 3, 30)
    server.shutdown()
    assert sorted(word for word, *_ in lines(note)) == ["closed"] * 3 + ["made"] * 3
    if workers == "process":
        assert not any(map(alive, pids))
    until(
        lambda: not any(t.name == "rlmesh-worker" for t in set(threading.enumerate()) - before), 10
    )


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
        connection_of(one)._incoming.cancel()
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
