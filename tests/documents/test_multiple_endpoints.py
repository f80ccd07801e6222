"""The page multiple-endpoints.txt, which has lost the indentation of its code."""

from __future__ import annotations

from argparse import Namespace
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import rlmesh
from tests.documents.pages import (
    assert_code_is_quoted,
    assert_on_page,
    execute,
    named,
    quotations,
)
from tests.integration.envs import CounterEnv
from tests.processes import ROOT, finished, running, served

pytest.importorskip("gymnasium")

PAGE = "multiple-endpoints.txt"
QUICKSTART = ROOT / "examples/python/quickstart"

SERVE_GYMNASIUM = """\
import gymnasium as gym
from rlmesh import EnvServer
env = gym.make(args.env_id)
server = EnvServer(env, args.address)
server.serve()
"""

SERVE_CUSTOM = """\
import rlmesh
server = rlmesh.EnvServer(CounterEnv(), args.address)
server.serve()
"""

EVALUATE = """\
def evaluate(address: str, max_steps: int) -> str:
    from rlmesh.numpy import RemoteEnv
    env = RemoteEnv(address)
    try:
        lines = [f"{address}: connected"]
        obs, info = env.reset(seed=0)
        for step in range(1, max_steps + 1):
            action = env.action_space.sample()
            obs, reward, term, trunc, info = env.step(action)
            lines.append(f"{address}: step={step} reward={reward:.3f}")
            if term or trunc:
                lines.append(f"{address}: episode complete")
                break
        else:
            lines.append(f"{address}: stopped after {max_steps} steps")
        return "\\n".join(lines)
    finally:
        env.close()
"""

ALL = """\
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(max_workers=len(args.addresses)) as executor:
    futures = [
        executor.submit(evaluate, address, args.max_steps) for address in args.addresses
    ]
    for future in futures:
        print(future.result())
"""

RUN_GYMNASIUM = (
    "uv run python examples/python/quickstart/serve_gymnasium.py --address 127.0.0.1:5555"
)
RUN_CUSTOM = "uv run python examples/python/quickstart/serve.py --address 127.0.0.1:5556"
RUN_MANY = """\
uv run python examples/python/quickstart/eval_many.py \\
  127.0.0.1:5555 \\
  127.0.0.1:5556
"""

SNIPPETS = (
    SERVE_GYMNASIUM,
    SERVE_CUSTOM,
    EVALUATE,
    ALL,
    RUN_GYMNASIUM,
    RUN_CUSTOM,
    RUN_MANY,
)


def three_steps(address: str) -> list[str]:
    """What an episode of the CounterEnv prints."""
    steps = [f"{address}: step={step} reward=1.000" for step in (1, 2, 3)]
    return [f"{address}: connected", *steps, f"{address}: episode complete"]


@pytest.mark.parametrize(
    ("snippet", "env_id"), [(SERVE_GYMNASIUM, "CartPole-v1"), (SERVE_CUSTOM, "CounterEnv")]
)
def test_each_server_serves(snippet: str, env_id: str, tmp_path: Path) -> None:
    """Each environment is served by rlmesh.EnvServer."""
    address = f"unix://{tmp_path / 'socket'}"
    names = (
        f"from argparse import Namespace\nargs = Namespace(env_id={env_id!r}, address={address!r})"
    )
    custom = "from tests.integration.envs import CounterEnv"
    with running(["-c", f"{names}\n{custom}\n{snippet}"], fresh=True) as server:
        env = connected(address, server)
        assert env.env_contract.id == env_id
        env.close()
        assert server.stop() == 0


def connected(address: str, server: object) -> rlmesh.RemoteEnv:
    """A client, once the server is there."""
    from tests.processes import STARTED, until

    def attempt() -> rlmesh.RemoteEnv | None:
        try:
            return rlmesh.RemoteEnv(address)
        except rlmesh.errors.ConnectError:
            return None

    return until(attempt, STARTED, server)


def test_one_evaluator_runs_across_both(
    counter: rlmesh.EnvServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """That is one evaluator running across multiple environment runtimes, locally. The client shape
    is the same for every endpoint, whether the server wraps a Gymnasium environment or a custom
    object."""
    with served("CartPole-v1") as pole:
        args = Namespace(addresses=[pole, counter.address], max_steps=4)
        execute(EVALUATE + ALL, args=args)
    lines = capsys.readouterr().out.splitlines()
    steps = [f"{pole}: step={step} reward=1.000" for step in (1, 2, 3, 4)]
    stopped = f"{pole}: stopped after 4 steps"
    assert lines == [f"{pole}: connected", *steps, stopped, *three_steps(counter.address)]


def test_each_address_has_a_thread_of_its_own() -> None:
    """The addresses are passed in and each one is evaluated on its own thread"""
    evaluate = execute(EVALUATE)["evaluate"]
    servers = [rlmesh.EnvServer(CounterEnv()) for _ in range(4)]
    for server in servers:
        server.start()
    with ThreadPoolExecutor(len(servers)) as executor:
        reports = list(executor.map(lambda server: evaluate(server.address, 64), servers))
    for server, report in zip(servers, reports):
        assert report.splitlines() == three_steps(server.address)
        server.shutdown()


def test_the_client_is_closed_even_where_it_fails() -> None:
    class Broken(CounterEnv):
        def step(self, action: object) -> object:
            raise RuntimeError("broken")

    with rlmesh.EnvServer(Broken()) as server:
        for _ in range(2):  # The second would find the environment held.
            with pytest.raises(rlmesh.errors.EnvError, match="broken"):
                execute(EVALUATE)["evaluate"](server.address, 64)


def test_the_commands_run() -> None:
    """eval_many.py opens a RemoteEnv per address and runs the same sampled-action loop against each
    endpoint"""
    pole, counter, many = (x.split()[3:] for x in (RUN_GYMNASIUM, RUN_CUSTOM, RUN_MANY))
    pole[-1] = counter[-1] = "127.0.0.1:0"
    with running(pole) as first, running(counter) as second:
        addresses = [x.wait_for(r"tcp://(\S+)")[1] for x in (first, second)]
        done = finished([many[0], *addresses])
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == f"{addresses[0]}: connected"
    assert lines[-6] in (
        f"{addresses[0]}: {x}" for x in ("episode complete", "stopped after 64 steps")
    )
    assert lines[-5:] == three_steps(addresses[1])


@pytest.mark.parametrize(
    ("example", "snippet"), [("eval_many.py", EVALUATE), ("serve_gymnasium.py", SERVE_GYMNASIUM)]
)
def test_the_examples_are_those_of_the_page(example: str, snippet: str) -> None:
    lines = {line.strip() for line in (QUICKSTART / example).read_text().splitlines()}
    assert [x for x in snippet.splitlines() if x.strip() not in lines] == []


@pytest.mark.parametrize("quotation", quotations(globals()), ids=named)
def test_the_page_says(quotation: str) -> None:
    assert_on_page(PAGE, quotation)


def test_all_code_of_the_page_is_here() -> None:
    assert_code_is_quoted(PAGE, quotations(globals()))
