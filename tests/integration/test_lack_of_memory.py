"""A server without memory for an answer: the client learns why, and the session goes on."""

from __future__ import annotations

import sys
from typing import Any

import pytest

from rlmesh import RemoteEnv, errors
from rlmesh._messages import env as m
from rlmesh._session.answers import write_answer
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.failures import text_of
from rlmesh.backends import NATIVE
from tests.integration.envs import CounterEnv
from tests.processes import running

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_AS")

LARGE = 120_000_000


@pytest.fixture(autouse=True)
def transport() -> str:
    """The server is of frames alone, because gRPC ends a process that has no memory."""
    return "frames"


class LargeInfoEnv(CounterEnv):
    """An action of 1 has a large info."""

    def __init__(self) -> None:
        super().__init__()
        self.infos: list[Any] = [{"bytes": bytes(size)} for size in (3, LARGE)]

    def step(self, action: Any) -> Any:
        return (*super().step(action)[:4], self.infos[action])


SERVER = """
import resource
from rlmesh import EnvServer
from tests.integration.test_lack_of_memory import LARGE, LargeInfoEnv
server = EnvServer(None, "frames://127.0.0.1:0", factory=LargeInfoEnv, workers="process")
server.start()
limit = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + LARGE // 2
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
print("at", server.address, flush=True)
server.wait()
"""


def test_an_answer_for_which_there_is_no_memory_names_the_reason() -> None:
    def allocate(parts: Any, size: int) -> Any:
        raise MemoryError

    done = m.StepDone(m.Encoded([bytes(8)]), 1.0)
    codec = EnvWireCodec(NATIVE)
    frame = write_answer(codec, 3, done, 5, allocate)
    sequence, failure = codec.read_reply(bytes(frame))
    assert (sequence, type(failure)) == (3, m.Failure)
    assert "cannot be sent: the process is out of memory" in failure.message


def test_an_exception_of_the_environment_keeps_its_own_text() -> None:
    assert text_of(MemoryError("Unable to allocate 7 TiB")) == "Unable to allocate 7 TiB"
    assert text_of(LookupError()) == ""


def test_a_worker_process_whose_answer_is_not_read_whole_is_ended() -> None:
    """What is left of the answer would be read as the next one."""
    with running(["-c", SERVER]) as server:
        address = server.wait_for(r"at (\S+)")[1]
        with RemoteEnv(address) as remote:
            remote.reset()
            with pytest.raises(errors.EnvCrashedError, match="out of memory"):
                remote.step(1)
            with pytest.raises(errors.EnvCrashedError, match=r"not applied: .* out of memory"):
                remote.step(0)
            remote.reset()
            assert remote.step(0)[0] == 1
