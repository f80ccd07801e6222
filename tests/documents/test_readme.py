"""README.md and its neighbours: what they show runs, what they name is there."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh import errors
from tests.integration.envs import MischiefEnv, ScriptedEnv
from tests.processes import ROOT, STARTED, finished, running, until
from tests.size import LONG

pytest.importorskip("gymnasium")

README = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
DOCUMENTS = [
    "README.md",
    "SECURITY.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    "spec/README.md",
    "spec/FIRST_SERVER.md",
]
EPISODES = 100 if LONG else 20
BANNED = "import sys; sys.modules.update(dict.fromkeys(('gymnasium', 'numpy', 'rlmesh_numpy')))\n"


def on(block: str, port: int) -> str:
    """A block with another port."""
    assert "127.0.0.1:5555" in block
    return block.replace("5555", str(port))


def answers(port: int) -> bool:
    """Whether something listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.parametrize(
    ("first", "second", "before", "said"),
    [
        (0, 1, "", r"\d+\.\d+\n"),
        (3, 4, BANNED, r"1\.0\n"),
        (5, 1, "", r"\d+\.\d+\n"),
        (5, 6, "", rf"(?s).*\b{EPISODES}\b.*CartPole-v1.*|.*CartPole-v1.*\b{EPISODES}\b.*"),
        (5, 7, "", r"usual \d+\.\d+ None\nnear \d+\.\d+ None\n\d+\.\d+ \d+\.\d+\n"),
        (5, 8, "", r"\d{2,3}\n"),
    ],
    ids=["numpy", "native", "factory", "evaluate", "suite", "session"],
)
def test_serve_and_connect(
    first: int, second: int, before: str, said: str, port: int, tmp_path: Path
) -> None:
    with running(["-c", before + on(BLOCKS[first], port)], fresh=bool(before)) as server:
        until(lambda: answers(port) or server.process.poll() is not None, STARTED, server)
        client = on(BLOCKS[second], port).replace("run.journal", str(tmp_path / "run.journal"))
        client = client.replace("range(100)", f"range({EPISODES})")
        done = finished(["-c", before + client], fresh=bool(before))
        assert (done.returncode, done.stderr) == (0, "")
        assert re.fullmatch(said, done.stdout)
        assert server.stop() == 0


CARDS = """
import gymnasium
NAMES = ["ace", "king", "queen"]

class CardSpace(gymnasium.Space):
    def sample(self, mask=None, probability=None):
        return NAMES[int(self.np_random.integers(3))]
    def contains(self, x):
        return x in NAMES
"""
SERVED_CARDS = """
import gymnasium, rlmesh
from rlmesh.numpy import RemoteEnv

class Table(gymnasium.Env):
    observation_space = action_space = CardSpace()
    def reset(self, *, seed=None, options=None):
        return "queen", {}
    def step(self, action):
        return action, 1.0, False, False, {}

with rlmesh.EnvServer(Table()) as server, RemoteEnv(server.address) as env:
    print(env.action_space, env.reset()[0], env.step(1)[0])
"""


def test_a_space_is_registered(tmp_path: Path) -> None:
    (tmp_path / "cards.py").write_text(CARDS)
    path = f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
    done = finished(["-c", path + BLOCKS[2] + SERVED_CARDS], fresh=True)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "Discrete(3) 2 1\n")


def test_each_is_ten_lines() -> None:
    assert len(BLOCKS) == 10
    counts = [len([line for line in block.splitlines() if line.strip()]) for block in BLOCKS]
    assert max(counts) <= 11


@pytest.mark.parametrize("document", DOCUMENTS)
def test_what_is_named_is_there(document: str) -> None:
    text, makefile = (ROOT / document).read_text(), (ROOT / "Makefile").read_text()
    rules = re.findall(r"^([a-z-]+(?: [a-z-]+)*):", makefile, re.MULTILINE)
    known = {name for rule in rules for name in rule.split()}
    asked = re.findall(r"(?:`|^ +)make ([a-z-]+)", text, re.MULTILINE)
    assert [x for x in asked if x not in known] == []
    paths = re.findall(r"`((?:spec|gen|packages|tests|tools|examples)/[\w./-]*)`", text)
    assert [x for x in paths if not (ROOT / x).exists()] == []
    modules = re.findall(r"-m (tools\.\w+)", text)
    assert [x for x in modules if not (ROOT / x.replace(".", "/")).is_dir()] == []


@pytest.mark.parametrize("document", DOCUMENTS)
def test_no_host_and_no_machine_is_named(document: str) -> None:
    text = (ROOT / document).read_text()
    assert re.findall(r"https?://\S+|/(?:home|work|root|opt|Users)/\S*|\bpypi\.org\b", text) == []


def test_the_tests_that_security_names_are_there() -> None:
    named = set(re.findall(r"`(test_\w+)`", (ROOT / "SECURITY.md").read_text()))
    assert named
    files = [*ROOT.glob("tests/**/test_*.py"), *ROOT.glob("packages/*/tests/**/test_*.py")]
    source = "".join(path.read_text() for path in files)
    assert [name for name in named if f"def {name}(" not in source] == []


def test_the_packages_are_those_of_the_table() -> None:
    rows = re.findall(r"^\| `([\w@/-]+)`[^|]*\| ", README, re.MULTILINE)
    projects = [*(ROOT / "packages").glob("*/pyproject.toml"), ROOT / "gen/python/pyproject.toml"]
    names = {re.findall(r'^name = "(.*)"', x.read_text(), re.MULTILINE)[0] for x in projects}
    assert names | {"@rlmesh/proto"} <= set(rows)


def test_the_areas_are_those_of_the_spec_and_their_tests_use_them() -> None:
    text = (ROOT / "spec/README.md").read_text()
    rows = re.findall(
        r"^\| [^|]+ \| `rlmesh\.proto\.(\w+)\.v1` \|.*\|([^|]*)\|$", text, re.MULTILINE
    )
    assert {area for area, _ in rows} == {
        x.name for x in (ROOT / "spec/proto/rlmesh/proto").iterdir()
    }
    assert all(re.search(r"`[\w/]*tests/[\w/.]+`", shown) for _, shown in rows)
    assert "not yet" not in "".join(shown for _, shown in rows)


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
    (row,) = [line for line in README.splitlines() if line.startswith("| ") and what in line]
    seen = re.findall(r"\| `(\w+)`", row)[0]
    with pytest.raises(errors.RLMeshError, match=re.escape(words)) as caught:
        cause()
    assert type(caught.value).__name__ == seen
    assert all(getattr(caught.value, fact) for fact in facts)
