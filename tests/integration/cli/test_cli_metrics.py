"""`rlmesh serve --metrics`, scraped as Prometheus does, and `rlmesh top`, which shows it."""

from __future__ import annotations

import re
import socket
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any

import pytest

from rlmesh import RemoteEnv, errors
from tests.integration.cli_processes import COMMAND, COUNTER, in_a_terminal, read_until, told
from tests.processes import finished, running, until

pytest.importorskip("typer")
pytest.importorskip("opentelemetry.exporter.prometheus")

from prometheus_client.parser import text_string_to_metric_families

from rlmesh._cli.metrics import metrics_served
from rlmesh._cli.scrape import MetricsAddress
from rlmesh._cli.sources import UsageProblem

TOKEN = "s3cret"


@contextmanager
def measured(**variables: str) -> Generator[Any, None, None]:
    """Address, URL of the metrics and process of a server with them."""
    whole = [*COMMAND, "serve", COUNTER, "--metrics", "127.0.0.1:0"]
    with running(whole, **variables) as server:
        address = server.wait_for(r"serving \S+ on (\S+)\n").group(1)
        url = until(lambda: re.search(r"metrics at (http://\S+)\n", server.errors), 30).group(1)
        yield address, url, server


def scraped(url: str, token: str = "", **headers: str) -> dict[str, dict[str, float]]:
    """The samples of an address of metrics: by name, and then by the labels that differ."""
    if token:
        headers["Authorization"] = f"Bearer {token}"
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=20) as answer:
        text = answer.read().decode()
    found: dict[str, dict[str, float]] = defaultdict(dict)
    for family in text_string_to_metric_families(text):
        for name, labels, value, *_ in family.samples:
            kinds = [labels.get(f"rlmesh_{kind}", "") for kind in ("request", "code", "session")]
            found[name]["".join((*kinds, labels.get("le", "")))] = value
    return found


def status(url: str, **headers: str) -> int:
    """The status of an answer that is no success."""
    with pytest.raises(urllib.error.HTTPError) as raised:
        scraped(url, **headers)
    raised.value.close()
    return raised.value.code


def play(env: Any) -> None:
    """Play one episode of three steps."""
    env.reset()
    for action in (0, 1, 0):
        env.step(action)


def test_prometheus_scrapes_a_server_and_top_shows_it() -> None:
    with measured() as (address, url, server):
        with RemoteEnv(address) as env:
            for _ in range(2):
                play(env)
            with pytest.raises(errors.BusyError):
                RemoteEnv(address)
            seen = scraped(url)
            assert seen["rlmesh_server_steps_total"] == {"": 6}
            assert seen["rlmesh_server_episodes_total"] == {"": 2}
            assert seen["rlmesh_server_sessions"] == {"": 1}
            assert seen["rlmesh_server_sessions_opened_total"] == {"": 1}
            assert seen["rlmesh_server_queue"] == {"": 0}
            assert seen["rlmesh_server_errors_total"] == {"busy": 1}
            buckets = seen["rlmesh_server_request_duration_seconds_bucket"]
            steps = [count for name, count in buckets.items() if name.startswith("step")]
            assert steps == sorted(steps) and buckets["step+Inf"] == 6 and len(steps) > 10
            assert seen["rlmesh_server_request_duration_seconds_count"]["reset"] == 2
            ((session, held),) = seen["rlmesh_server_session_held_seconds"].items()
            assert held > 0 and seen["rlmesh_server_session_steps"] == {session: 6}

            port = url.rpartition(":")[2].partition("/")[0]
            document = told("top", port, url, "--interval", "0.1")
            assert document["failures"] == {} and len(document["servers"]) == 2
            (holder,) = document["servers"][0].pop("holders")
            assert holder["session"] == session and holder["steps"] == 6
            assert holder["client"] == env._stub._session._link._client.name
            assert document["servers"][0]["steps_per_second"] == 0
            shown = {
                k: document["servers"][0][k] for k in ("address", "id", "sessions", "episodes")
            }
            assert shown == {"address": address, "id": "CounterEnv", "sessions": 1, "episodes": 2}
            assert document["servers"][0]["errors"] == {"busy": 1}
        until(lambda: scraped(url)["rlmesh_server_sessions"] == {"": 0}, 30)
        assert scraped(url)["rlmesh_server_session_held_seconds"] == {}
        assert server.stop() == 0
    with pytest.raises(urllib.error.URLError):
        scraped(url)


def test_metrics_of_loopback_are_for_programs_that_know_it_and_need_the_token() -> None:
    with measured(RLMESH_TOKEN=TOKEN) as (address, url, _):
        for headers in ({}, {"Authorization": "Bearer gu3ss"}, {"Authorization": TOKEN}):
            assert status(url, **headers) == 401
        assert scraped(url, TOKEN)["rlmesh_server_sessions"] == {"": 0}
        assert scraped(url, Authorization=f"bearer {TOKEN}")["rlmesh_server_queue"] == {"": 0}
        with pytest.raises(errors.AuthenticationError):
            RemoteEnv(address, token="gu3ss")
        assert scraped(url, TOKEN)["rlmesh_server_errors_total"] == {"unauthenticated": 1}
        refused = finished([*COMMAND, "top", url])
        assert refused.returncode == 1 and "HTTP status 401" in refused.stderr
        assert told("top", url, "--interval", "0.1", RLMESH_TOKEN=TOKEN)["failures"] == {}
        assert status(url.replace("/metrics", "/else"), Authorization=f"Bearer {TOKEN}") == 404
    with measured() as (_, url, _):
        assert status(url, Host="rebound.example:80") == 421
        assert scraped(url, Host="localhost:1")["rlmesh_server_sessions"] == {"": 0}


def test_metrics_that_others_reach_are_warned_of(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rlmesh._cli.metrics._new_app", lambda: None)
    with (
        pytest.warns(RuntimeWarning, match=r"0\.0\.0\.0:\d+/metrics can be read .*without a token"),
        metrics_served("0.0.0.0:0", ""),
    ):
        pass


def test_metrics_of_a_model() -> None:
    arguments = ["serve-model", "--reference", "sum", "--metrics", "127.0.0.1:0", "--json"]
    with running([*COMMAND, *arguments]) as server:
        url = server.wait_for(r'"metrics": "(http://\S+)"').group(1)
        seen = scraped(url)
        assert seen["rlmesh_server_sessions"] == {"": 0}
        assert seen["rlmesh_server_batch_queue"] == {"": 0}
        assert server.stop() == 0


def test_top_in_a_terminal_goes_on_until_it_is_interrupted() -> None:
    with measured() as (address, url, _), RemoteEnv(address) as env:
        play(env)
        with in_a_terminal("top", url, "--interval", "0.2") as (process, terminal):
            read_until(terminal, re.escape(address))
            read_until(terminal, r":\d+ .*\d+\.\d s")
            process.send_signal(2)
            assert process.wait(20) == 130


def test_top_shows_the_other_servers_if_one_does_not_answer() -> None:
    with measured() as (address, url, _), socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        closed = f"127.0.0.1:{silent.getsockname()[1]}"
        grpc = address.removeprefix("tcp://")
        done = finished([*COMMAND, "top", url, closed, grpc, "--count", "1"])
    assert done.returncode == 0
    assert re.search(rf"^{re.escape(address)} +CounterEnv +0 +0 +- ", done.stdout, re.MULTILINE)
    assert re.search(rf"^{re.escape(closed)} .*refused", done.stdout, re.MULTILINE)
    assert re.search(rf"^{re.escape(grpc)} +it does not speak HTTP", done.stdout, re.MULTILINE)


def test_top_warns_of_a_token_that_it_sends_in_clear() -> None:
    # The network of the documentation's examples, which no host has.
    arguments = ["top", "192.0.2.1:9464", "--count", "1", "--connect-timeout", "0.1"]
    done = finished([*COMMAND, *arguments], RLMESH_TOKEN=TOKEN)
    assert "the token goes to 192.0.2.1:9464 unencrypted" in done.stderr
    assert done.returncode == 1 and TOKEN not in done.stdout + done.stderr


def test_an_address_in_use_is_refused() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        busy = f"127.0.0.1:{taken.getsockname()[1]}"
        done = finished([*COMMAND, "serve", COUNTER, "--metrics", busy])
    assert done.returncode == 2
    assert f"--metrics: {busy}: Address already in use" in done.stderr


@pytest.mark.parametrize("address", ["here", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1", ""])
def test_wrong_addresses_of_metrics_are_refused(address: str) -> None:
    words = re.escape(f"--metrics: expected host:port or a port, got {address!r}")
    with pytest.raises(UsageProblem, match=words), metrics_served(address, ""):
        pass


@pytest.mark.parametrize(
    "address",
    ["https://127.0.0.1:9", "tcp://127.0.0.1:9", "nowhere", "127.0.0.1:port", "u@127.0.0.1:9", ""],
)
def test_top_refuses_what_is_no_address_of_metrics(address: str) -> None:
    with pytest.raises(UsageProblem, match="expected host:port of `rlmesh serve --metrics`"):
        MetricsAddress.parse(address)


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("9464", ("127.0.0.1", 9464, "/metrics")),
        ("lab-7:9464", ("lab-7", 9464, "/metrics")),
        ("[::1]:9464", ("::1", 9464, "/metrics")),
        ("http://lab-7:80/rlmesh/metrics", ("lab-7", 80, "/rlmesh/metrics")),
    ],
)
def test_addresses_of_metrics(address: str, expected: tuple[str, int, str]) -> None:
    found = MetricsAddress.parse(address)
    assert (found.host, found.port, found.path) == expected
