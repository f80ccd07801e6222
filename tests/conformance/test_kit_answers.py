"""What checks of the conformance kit make of the words in an answer."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from rlmesh_proto.env.v1 import env_pb2

from rlmesh._conformance.checks.resume import silent_session_ends
from rlmesh._conformance.dialects import code_number
from rlmesh._conformance.findings import Failed


def test_an_error_that_speaks_of_an_ended_stream_is_an_answer() -> None:
    """R-14 allows TIMEOUT or the end of the stream, whatever the message of another error says."""
    answer = env_pb2.SessionResponse()
    answer.error.code = code_number("WRONG_STATE")  # pyright: ignore[reportAttributeAccessIssue]
    answer.error.message = "the stream ended"
    connection = SimpleNamespace(answer=lambda timeout: answer)
    session = SimpleNamespace(do=lambda: None, connection=connection)
    terms = SimpleNamespace(idle_timeout_ms=10)
    probe: Any = SimpleNamespace(
        described=SimpleNamespace(terms=terms),
        target=SimpleNamespace(timeout=0.0),
        open=lambda: session,
    )

    with pytest.raises(Failed, match="seen error WRONG_STATE"):
        silent_session_ends(probe)
