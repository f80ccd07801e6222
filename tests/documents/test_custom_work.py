"""The page custom-work.txt."""

from __future__ import annotations

import pytest

import rlmesh
from tests.documents.pages import (
    assert_code_is_quoted,
    assert_on_page,
    execute,
    named,
    quotations,
    replaced,
)
from tests.processes import ROOT, finished, running

pytest.importorskip("gymnasium")

PAGE = "custom-work.txt"
QUICKSTART = ROOT / "examples/python/quickstart"

ENV = """\
class CounterEnv:
    observation_space = rlmesh.spaces.Discrete(5)
    action_space = rlmesh.spaces.Discrete(2)

    def __init__(self):
        self.step_count = 0

    def reset(self, seed=None, options=None):
        self.step_count = 0
        return 0, {}

    def step(self, action):
        self.step_count += 1
        observation = self.step_count % 5
        terminated = self.step_count >= 3
        return observation, 1.0, terminated, False, {"action": action}

    def close(self):
        pass
"""

SERVE = f"""\
import rlmesh


{ENV}

server = rlmesh.EnvServer(CounterEnv(), "127.0.0.1:5555")
print(f"serving CounterEnv on {{server.address}}")
server.serve()
"""

MODEL = """\
from rlmesh.numpy import Model


def predict(observation):
    return 0


model = Model(predict)
model.run("127.0.0.1:5555", max_episodes=1)
"""

LOOP = """\
from rlmesh.numpy import RemoteEnv

env = RemoteEnv("127.0.0.1:5555")
obs, info = env.reset(seed=0)
for step in range(1, 65):
    action = env.action_space.sample()
    obs, reward, term, trunc, info = env.step(action)
    if term or trunc:
        break
env.close()
"""

RUN_SERVE = "uv run python examples/python/quickstart/serve.py"
RUN_MODEL = "uv run python examples/python/quickstart/model.py --episodes 1"

SNIPPETS = (ENV, SERVE, MODEL, LOOP, RUN_SERVE, RUN_MODEL)


def test_the_server_serves_and_stops() -> None:
    with running(["-c", replaced(SERVE, port=0)], fresh=True) as server:
        address = server.wait_for(r"^serving CounterEnv on (tcp://127\.0\.0\.1:\d+)\n")[1]
        env = rlmesh.RemoteEnv(address)
        assert env.reset() == (0, {})
        assert env.step(1) == (1, 1.0, False, False, {"action": 1})
        env.close()
        assert server.stop() == 0
        assert server.errors == ""


def test_it_needs_no_gymnasium() -> None:
    """defines a tiny CounterEnv without importing Gymnasium"""
    bans = "import sys\nsys.modules.update(dict.fromkeys(('gymnasium', 'numpy', 'rlmesh_numpy')))\n"
    with running(["-c", bans + replaced(SERVE, port=0)], fresh=True) as server:
        env = rlmesh.RemoteEnv(server.wait_for(r"tcp://\S+")[0])
        assert env.reset() == (0, {})
        env.close()


def test_any_object_of_the_shape_is_served() -> None:
    """if it has the same shape: an observation_space, an action_space,
    reset(seed=None, options=None), step(action), and close()"""
    names = ("observation_space", "action_space", "reset", "step", "close")
    whole = execute(ENV, rlmesh=rlmesh)["CounterEnv"].__dict__
    for left_out in names:
        parts = {name: whole[name] for name in names if name != left_out}
        with pytest.raises(TypeError, match=rf"has no {left_out};"):
            rlmesh.EnvServer(type("Mine", (), parts)())
    mine = type("Mine", (), {**{name: whole[name] for name in names}, "step_count": 0})
    with rlmesh.EnvServer(mine()) as server:
        env = rlmesh.RemoteEnv(server.address)
        assert env.reset(seed=1, options={"a": 1}) == (0, {})
        assert env.step(0)[0] == 1
        env.close()


def test_the_model_plays(counter: rlmesh.EnvServer) -> None:
    """Model runs episodes against the served endpoint"""
    names = execute(replaced(MODEL, port=counter.address.rpartition(":")[2]))
    result = names["model"].run(counter.address, max_episodes=2)
    assert [episode.steps for episode in result.episodes] == [3, 3]
    assert result.rewards == (3.0, 3.0)


def test_the_loop_plays(counter: rlmesh.EnvServer) -> None:
    """opens a RemoteEnv and runs a sampled-action loop"""
    names = execute(replaced(LOOP, port=counter.address.rpartition(":")[2]))
    assert names["step"] == 3
    assert (names["obs"], names["reward"], names["term"], names["trunc"]) == (3, 1.0, True, False)
    assert names["info"] == {"action": names["action"]}


def test_the_commands_run(port: int) -> None:
    # Their address is 127.0.0.1:5555 by default; the machine may have other uses for it.
    serve, model = RUN_SERVE.split()[3:], RUN_MODEL.split()[3:]
    assert all("127.0.0.1:5555" in (ROOT / x[0]).read_text() for x in (serve, model))
    with running([*serve, "--address", f"127.0.0.1:{port}"]) as server:
        server.wait_for("serving CounterEnv")
        played = finished([*model, "--address", f"127.0.0.1:{port}"])
    assert (played.returncode, played.stderr) == (0, "")


@pytest.mark.parametrize(
    ("example", "snippet"), [("serve.py", ENV), ("model.py", MODEL), ("eval.py", LOOP)]
)
def test_the_examples_are_those_of_the_page(example: str, snippet: str) -> None:
    text = (QUICKSTART / example).read_text()
    own = {"import rlmesh", "class CounterEnv:", "def predict(observation):"}
    heads = [line for line in snippet.splitlines() if line in own or line.startswith("from")]
    assert heads and all(head in text for head in heads)
    methods = [line.strip() for line in snippet.splitlines() if line.startswith("    ")]
    assert [line for line in methods if line not in text] == []


@pytest.mark.parametrize("quotation", quotations(globals()), ids=named)
def test_the_page_says(quotation: str) -> None:
    assert_on_page(PAGE, quotation)


def test_all_code_of_the_page_is_here() -> None:
    assert_code_is_quoted(PAGE, quotations(globals()))
