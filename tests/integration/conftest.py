"""Every test of sessions runs over each transport."""

from __future__ import annotations

import signal

import pytest

from rlmesh._transport.socket.unix import SUPPORTED

# In the background of a shell Ctrl-C is ignored, and so it would be in the processes of the tests.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

WAYS = ["frames", "shared", "grpc"] if SUPPORTED else ["grpc"]
"""Frames on the socket, unless they are large; all of them in shared memory; gRPC."""


@pytest.fixture(autouse=True, params=WAYS)
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How clients of this process talk that ask for nothing else."""
    name = "grpc" if request.param == "grpc" else "frames"
    monkeypatch.setattr("rlmesh._client.transport_choice.AUTO", name)
    if request.param == "shared":
        monkeypatch.setattr("rlmesh._transport.socket.unix.SHARED_BYTES", 1)
    return name
