"""B-8: the settings of gRPC's C core that CONTRACT.md names are those of both of our peers."""

from __future__ import annotations

import pytest

from rlmesh._transport.address import parse_address
from rlmesh._transport.grpc.options import client_options, server_options
from tests.conformance.contract import rule_table


@pytest.mark.parametrize(
    ("column", "options"),
    [(2, client_options(parse_address("127.0.0.1:1"))), (3, server_options())],
    ids=["client", "server"],
)
def test_a_peer_sets_what_the_table_has(column: int, options: list[tuple[str, int]]) -> None:
    named = {row[0].strip("`"): row[column] for row in rule_table("B-8")}
    wanted = {name: int(value) for name, value in named.items() if value.isdigit()}
    assert len(wanted) >= 4
    assert {name: value for name, value in options if name in named} == wanted
