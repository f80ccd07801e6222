"""Every test of sessions runs over both transports."""

from __future__ import annotations

import pytest

from rlmesh._transport.frames import SUPPORTED


@pytest.fixture(autouse=True, params=["frames", "grpc"] if SUPPORTED else ["grpc"])
def transport(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """How clients of this process talk that ask for nothing else."""
    monkeypatch.setattr("rlmesh._remote.player.AUTO", request.param)
    name: str = request.param
    return name
