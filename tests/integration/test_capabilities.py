"""H-9: a client sends nothing that its server has not listed, and the session goes on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv
from rlmesh.errors import UnsupportedError
from rlmesh.specs import Capability
from tests.inside import session_of
from tests.integration.envs import CounterEnv


@pytest.mark.parametrize(
    ("capability", "use", "words"),
    [
        (Capability.RENDER, lambda env: env.render(), "does not render"),
        (Capability.ATTRIBUTES, lambda env: env.call("close"), "does not call close"),
        (Capability.ATTRIBUTES, lambda env: env.get_attr("count"), "does not report count"),
        (Capability.ATTRIBUTES, lambda env: env.set_attr("count", 1), "does not set count"),
    ],
)
def test_what_a_server_has_not_listed_is_not_sent(
    capability: Capability, use: Callable[[Any], object], words: str
) -> None:
    with (
        EnvServer(CounterEnv(), expose=["count", "close"]) as server,
        closing(RemoteEnv(server.address)) as remote,
    ):
        remote.reset()
        session = session_of(remote)
        sent = session._sequence
        without = session.server.capabilities - {capability}
        session.server = replace(session.server, capabilities=without)
        with pytest.raises(UnsupportedError, match=words):
            use(remote)
        assert session._sequence == sent
        assert remote.step(1)[0] == 1


def test_chunks_of_actions_are_sent_one_by_one_to_a_server_that_does_not_take_them() -> None:
    with EnvServer(CounterEnv()) as server, closing(RemoteEnv(server.address)) as remote:
        remote.reset()
        session = session_of(remote)
        without = session.server.capabilities - {Capability.STEP_MANY}
        session.server = replace(session.server, capabilities=without)
        sent = session._sequence
        assert len(remote.step_many([1, 1, 1])) == 3
        assert session._sequence == sent + 3
