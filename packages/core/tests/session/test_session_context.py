"""What a client names for logs alone: a trace context and episodes (H-13, N-15); N-16's time."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from rlmesh_proto.env.v1 import env_pb2

from rlmesh._logs import FACTS
from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh.backends import NATIVE

from .memory import MemoryServer
from .test_server_connection import PEER, STEP, Raw

CODEC = EnvWireCodec(NATIVE)
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def facts_of(log: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    return [getattr(record, FACTS) for record in log.records if hasattr(record, FACTS)]


def played(traceparent: str, episode_id: str, log: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Play an episode on a server, and return the facts of the end of its session."""
    server = MemoryServer()
    raw = Raw(server)
    with log.at_level(logging.INFO, logger="rlmesh.server"):
        assert isinstance(raw.ask(0, m.Open(PEER, traceparent=traceparent))[0], m.Opened)
        assert isinstance(raw.ask(1, m.Reset(episode_id=episode_id))[0], m.ResetDone)
        assert isinstance(raw.ask(2, STEP)[0], m.StepDone)
        raw.ask(3, m.Close())
    # A session that another test has left may end meanwhile.
    opened, ended = (found for found in facts_of(log) if found["client"] == "raw")
    assert opened.get("traceparent") == ended.get("traceparent") and "episode_id" not in opened
    return ended


def test_the_log_of_a_session_has_the_trace_and_the_episode(
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = played(TRACE, "run-7/episode-3", caplog)
    assert (ended["traceparent"], ended["episode_id"]) == (TRACE, "run-7/episode-3")


@pytest.mark.parametrize(
    "traceparent",
    [
        "",
        TRACE.upper(),
        TRACE + "-x",
        "01" + TRACE[2:],
        "x\n",
        f"00-{'0' * 32}-b7ad6b7169203331-01",
        f"00-0af7651916cd43dd8448eb211c80319c-{'0' * 16}-01",
    ],
)
def test_what_has_not_the_form_is_ignored(
    traceparent: str, caplog: pytest.LogCaptureFixture
) -> None:
    ended = played(traceparent, "e" * 257, caplog)
    assert not {"traceparent", "episode_id"} & ended.keys()


def test_the_time_of_a_simulation_changes_nothing_for_a_client_that_ignores_it() -> None:
    observation = {"slabs": [bytes(8)]}
    for body, changed in (
        ({"reset": {"observation": observation}}, "reset"),
        ({"step": {"observation": observation, "reward": 1.0}}, "step"),
    ):
        answer = env_pb2.SessionResponse(sequence=4, **body)  # type: ignore[arg-type]
        without = CODEC.read_reply(answer.SerializeToString())
        getattr(answer, changed).sim_time = 12.5
        with_time = CODEC.read_reply(answer.SerializeToString())
        assert _plain(with_time) == _plain(without)


def _plain(read: tuple[int, Any]) -> Any:
    sequence, reply = read
    return sequence, type(reply), [bytes(slab) for slab in reply.observation.slabs], reply.info
