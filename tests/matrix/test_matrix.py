"""Each server with each client over each transport of frames: equal to the bit, despite cuts."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest

from tests.faults import Proxy, cutting
from tests.matrix.peers import CLIENTS, SERVERS
from tests.node.programs import Episodes
from tests.size import LONG

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900), pytest.mark.xdist_group("node")]

TRANSPORTS = ("tcp", "unix")
ALL = list(itertools.product(SERVERS, CLIENTS, TRANSPORTS))
CASES = ALL if LONG else [case for i, case in enumerate(ALL) if (i // 2 + i) % 2]
"""In the default run each pair plays over one of the transports, by turns."""


@pytest.fixture(scope="module")
def episodes() -> Episodes:
    return Episodes(range(3))


@pytest.mark.parametrize(("server", "client", "transport"), CASES)
def test_a_pair_plays_what_gymnasium_plays(
    server: str, client: str, transport: str, tmp_path: Path, episodes: Episodes
) -> None:
    if transport == "unix":
        with SERVERS[server](f"frames+unix://{tmp_path}/env.sock") as where:
            assert CLIENTS[client](where, episodes) == episodes.lines
        return
    with SERVERS[server]("frames://127.0.0.1:0") as where, Proxy(where) as proxy:
        with cutting(proxy, every=900):
            assert CLIENTS[client](proxy.address, episodes) == episodes.lines
        assert proxy.broken >= 3
