"""Programs that bring their own processes or event loop: PyTorch's DataLoader, and notebooks."""

from __future__ import annotations

import asyncio
import sys

import pytest

from rlmesh import EnvServer, Model, RemoteEnv
from rlmesh.errors import ConcurrentCallError
from tests.integration.envs import CounterEnv, GatedEnv
from tests.processes import finished, running

SERVER = """
from rlmesh import EnvServer
from tests.integration.envs import CounterEnv
server = EnvServer(factory=CounterEnv, max_sessions=8)
server.serve(on_ready=lambda: print(server.address, flush=True))
"""

LOADER = """
import sys
from torch.utils.data import DataLoader, IterableDataset
from rlmesh import RemoteEnv, errors

address, transport = sys.argv[1:]

class Steps(IterableDataset):
    def __iter__(self):
        with RemoteEnv(address, transport=transport, connect_timeout=5) as env:
            env.reset()
            for _ in range(2):
                yield env.step(0)[0]

def load():
    return [batch.tolist() for batch in DataLoader(Steps(), batch_size=2, num_workers=2,
                                                   multiprocessing_context="fork")]

print("fresh", load(), flush=True)
for batch in DataLoader(Steps(), num_workers=2, multiprocessing_context="fork"):
    break  # Its workers end in the middle of an episode.
with RemoteEnv(address, transport=transport) as env:
    env.reset()
try:
    load()
except errors.ConnectError as error:
    print("used", error, flush=True)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it forks")
def test_workers_of_a_data_loader_play_or_name_spawn(transport: str) -> None:
    pytest.importorskip("torch")
    with running(["-c", SERVER]) as server:
        address = server.wait_for(r"tcp://\S+").group()
        done = finished(["-c", LOADER, address, transport])
    assert done.returncode == 0, done.stderr
    assert "fresh [[1, 2], [1, 2]]" in done.stdout
    assert "get_context('spawn')" in done.stdout.partition("used")[2], done.stdout


def test_clients_and_servers_work_within_an_event_loop(transport: str) -> None:
    async def cell() -> None:
        with EnvServer(CounterEnv()) as server:
            with RemoteEnv(server.address, transport=transport) as env:
                env.reset()
                assert env.step(0)[0] == 1
                assert (await asyncio.to_thread(env.step, 0))[0] == 2
            result = Model(lambda observation: 0).run(server.address, seeds=[0, 1])
            assert result.mean_reward == 3

    asyncio.run(cell())


def test_a_step_whose_waiter_was_cancelled_is_not_lost(transport: str) -> None:
    gated = GatedEnv()

    async def cell(env: RemoteEnv) -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(env.step, 0), 0.1)
        with pytest.raises(ConcurrentCallError):
            env.step(1)
        gated.go.set()

    with EnvServer(gated) as server, RemoteEnv(server.address, transport=transport) as env:
        env.reset()
        asyncio.run(cell(env))  # Ends once the thread of the step has ended.
        assert env.step(1)[0] == 2
