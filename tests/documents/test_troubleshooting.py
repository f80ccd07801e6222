"""The page Troubleshooting: its situations have the errors of their rows, each error a row."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import pytest

import rlmesh
from rlmesh import errors
from tests.integration.envs import MischiefEnv, ScriptedEnv
from tests.processes import ROOT

pytest.importorskip("gymnasium")

PAGE = (ROOT / "docs/troubleshooting.md").read_text()


@contextmanager
def playing(*script: Any, **arguments: Any) -> Generator[rlmesh.RemoteEnv, None, None]:
    """Yield a client of an environment that answers with `script`; it must play on afterwards."""
    token = arguments.get("token", "")
    with (
        rlmesh.EnvServer(ScriptedEnv(*script), **arguments) as server,
        rlmesh.RemoteEnv(server.address, token=token) as env,
    ):
        env.reset()
        try:
            yield env
        finally:
            assert env.reset() == (0, {})
            assert env.step(0)[0] == 1


def refused() -> None:
    rlmesh.RemoteEnv("127.0.0.1:1")


def silent() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        rlmesh.RemoteEnv(listener.getsockname()[1], connect_timeout=0.3)


def held() -> None:
    with playing() as env:
        rlmesh.RemoteEnv(env.address)


def bad_action() -> None:
    with playing() as env:
        env.step(7)


def env_raises() -> None:
    with playing(RuntimeError("the motor is hot")) as env:
        env.step(0)


def four_results() -> None:
    with playing((0, 1.0, True, {})) as env:
        env.step(0)


def out_of_space() -> None:
    with playing((9, 1.0, False, False, {})) as env:
        env.step(0)


def no_token() -> None:
    with playing(token="right") as env:
        rlmesh.RemoteEnv(env.address)


def wrong_token() -> None:
    with playing(token="right") as env:
        rlmesh.RemoteEnv(env.address, token="wrong")


def other_version() -> None:
    with playing() as env, pytest.MonkeyPatch.context() as patch:
        patch.setattr("rlmesh._session.versions.SPEC_VERSION", "2.0.0")
        rlmesh.RemoteEnv(env.address)


def run_ends_early() -> None:
    with playing() as env:
        rlmesh.Model({0: 0, 1: 1, 2: 7}.__getitem__).run(env, max_episodes=2)


def crashes() -> None:
    with worker() as env:
        env.step(MischiefEnv.TROUBLES.index("segfault"))


def hangs() -> None:
    with worker(call_timeout=0.5) as env:
        env.step(MischiefEnv.TROUBLES.index("sleep"))


def bad_factory() -> None:
    with rlmesh.EnvServer(factory=iter([ScriptedEnv()]).__next__) as server:
        rlmesh.RemoteEnv(server.address).close()
        rlmesh.RemoteEnv(server.address)


def not_exposed() -> None:
    with playing(expose=["script"]) as env:
        env.get_attr("step_count")


def slow_step() -> None:
    with playing() as env, pytest.MonkeyPatch.context() as patch:
        patch.setattr(ScriptedEnv, "step", lambda *_: time.sleep(0.5) or (1, 0.0, False, False, {}))
        env.step_async(0)
        try:
            env.step_wait(0.01)
        finally:
            env.step_wait(10)
            patch.undo()


def too_idle() -> None:
    options = rlmesh.ServeOptions(idle_timeout=0.2)
    with rlmesh.EnvServer(ScriptedEnv(), options=options) as server:
        env = rlmesh.RemoteEnv(server.address)
        time.sleep(1.5)
        env.reset()


@contextmanager
def worker(**options: Any) -> Generator[rlmesh.RemoteEnv, None, None]:
    """A client of an environment in a process; `reset` must start another one afterwards."""
    with (
        rlmesh.EnvServer(
            factory=MischiefEnv, workers="process", options=rlmesh.ServeOptions(**options)
        ) as server,
        rlmesh.RemoteEnv(server.address) as env,
    ):
        env.reset()
        try:
            yield env
        finally:
            env.reset()
            assert env.step(0)[0] == 1


# Text of the table, cause, text of the exception, and attributes that it has.
SITUATIONS: list[tuple[str, Callable[[], None], str, tuple[str, ...]]] = [
    ("nothing listens", refused, "Connection refused", ("address",)),
    ("the peer is silent", silent, "does not answer within 0.3 s", ("address",)),
    ("another client holds", held, "the environment is held by", ("holder",)),
    (
        "an action does not belong",
        bad_action,
        "an integer from 0 to 1, got 7",
        ("path", "expected"),
    ),
    ("the environment raises", env_raises, "RuntimeError: the motor is hot", ("remote_traceback",)),
    ("returns what its spaces forbid", out_of_space, "observation: expected", ("path",)),
    ("the environment raises, or returns", four_results, "old Gym API", ()),
    ("the spec versions are incompatible", other_version, "the client 2.0.0", ("choices",)),
    ("the token is missing or wrong", no_token, "asks for a token", ()),
    ("the token is missing or wrong", wrong_token, "asks for a token", ()),
    ("process dies", crashes, "signal SIGSEGV (11)", ("exit_code",)),
    ("a call hangs for", hangs, "had not returned after", ()),
    ("the factory fails", bad_factory, "factory() raised StopIteration", ()),
    ("a name is not exposed", not_exposed, "there are script", ("choices",)),
    ("a step takes longer", slow_step, "has not answered within 0.01 s", ("address",)),
    ("a client sends no request", too_idle, "no request for 0.2 s", ("address",)),
    ("a run ends early", run_ends_early, "got 7", ("result",)),
]


@pytest.mark.parametrize(("what", "cause", "words", "facts"), SITUATIONS)
def test_what_goes_wrong(
    what: str, cause: Callable[[], None], words: str, facts: tuple[str, ...]
) -> None:
    rows = PAGE[: PAGE.index("## Every error")].splitlines()
    (row,) = [line for line in rows if line.startswith("| ") and what in line]
    seen = re.findall(r"\| `(\w+)`", row)[0]
    with pytest.raises(errors.RLMeshError, match=re.escape(words)) as caught:
        cause()
    assert type(caught.value).__name__ == seen
    assert all(getattr(caught.value, fact) for fact in facts)


def test_every_error_has_an_entry() -> None:
    table = PAGE[PAGE.index("## Every error") :]
    rows = re.findall(r"^\| `(\w+)` \| ([^|]+) \| ([^|]+) \|$", table, re.MULTILINE)
    assert sorted(name for name, *_ in rows) == sorted(errors.__all__)
    assert all(len(meaning) > 10 for _, meaning, _ in rows)


def test_the_tree_has_every_error_below_its_base() -> None:
    tree = PAGE[PAGE.index("## Every error") :].partition("```text\n")[2].partition("```")[0]
    path: list[str] = []
    bases = {}
    for line in tree.splitlines():
        depth = re.search(r"\w", line).start() // 4  # type: ignore[union-attr]
        (name,) = re.findall(r"\w+", line)
        path[depth:] = [name]
        bases[name] = path[depth - 1] if depth else "Exception"
    expected = {
        name: next(x.__name__ for x in getattr(errors, name).__mro__[1:] if x.__name__ in ours)
        for ours in [{*errors.__all__, "Exception"}]
        for name in errors.__all__
    }
    assert bases == expected
