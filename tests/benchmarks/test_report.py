"""What the benchmark beside peers makes of what it measured; no peer is needed."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import benchmarks.peers.__main__
import benchmarks.peers.rounds
from benchmarks.peers.cases import CASES
from benchmarks.peers.catalogue import REFERENCE, SIDES
from benchmarks.peers.measure import cpu_seconds, quartiles, time_clients
from benchmarks.peers.processes import SideFailed
from benchmarks.peers.report import BEGIN, END, Footnotes, number, replaced, tables
from benchmarks.peers.rounds import PATIENCE, Rounds
from benchmarks.peers.summary import ratio, summary
from tests.processes import ROOT


def timing(number: int, median: float, **values: Any) -> dict[str, Any]:
    """A round; what is not given follows the median."""
    return {
        "round": number,
        "steps": 100,
        "q1": median - 1,
        "median": median,
        "q3": median + 2,
        "client_cpu": median / 2,
        "server_cpu": median / 4,
        "per_second": 1e6 / median,
        **values,
    }


def cell(*medians: float, reason: str | None = None, **values: Any) -> dict[str, Any]:
    rounds = [timing(index, median, **values) for index, median in enumerate(medians)]
    return {"rounds": rounds, "reason": reason}


def results(cells: dict[str, dict[str, Any]], rounds: int = 3) -> dict[str, Any]:
    """As `__main__` has them after it wrote and read them."""
    whole = {
        "date": "2026-01-02",
        "commit": "abc",
        "machine": {
            "cores": 2,
            "cpu": "A CPU",
            "memory_gib": 8,
            "kernel": "Linux 6",
            "python": "3.11.7",
            "load": 0.5,
        },
        "rounds": rounds,
        "seconds": 0.25,
        "versions": {"ray": {"ray": "2.60.0", "numpy": "2.4.6"}},
        "cells": cells,
    }
    return json.loads(json.dumps(whole))


def row(table: str, title: str) -> list[str]:
    """The columns of the row that begins so."""
    (line,) = (line for line in table.splitlines() if line.startswith(f"| {title}"))
    return [column.strip() for column in line.strip("|").split("|")]


class Steps:
    """A client that counts; its episodes have three steps."""

    def __init__(self) -> None:
        self.actions: list[int] = []
        self.resets = 0

    def reset(self, seed: int | None) -> None:
        self.resets += 1

    def step(self, action: int) -> tuple[None, bool]:
        self.actions.append(action)
        return None, len(self.actions) % 3 == 0

    def close(self) -> None:
        pass


# Statistics


def test_quartiles_lie_among_the_values() -> None:
    assert quartiles([4, 1, 3, 2, 5]) == (2, 3, 4)
    assert quartiles([7]) == (7, 7, 7)
    assert quartiles([1, 3]) == (1.5, 2, 2.5)


def test_a_summary_has_the_medians_of_the_rounds() -> None:
    found = summary([timing(0, 10), timing(1, 40), timing(2, 20)])
    assert (found.rounds, found.q1, found.median, found.q3) == (3, 19, 20, 22)
    assert (found.low, found.high) == (10, 40)
    assert (found.client_cpu, found.server_cpu, found.per_second) == (10, 5, 50_000)


def test_a_side_without_a_server_has_no_time_of_one() -> None:
    assert summary([timing(0, 10, server_cpu=None)]).server_cpu is None


def test_a_ratio_is_of_the_same_rounds() -> None:
    # Within each round the ratio is 2, whatever the machine did meanwhile.
    ours = [timing(0, 10), timing(1, 1000), timing(2, 30)]
    assert ratio([timing(1, 2000), timing(2, 60)], ours) == 2
    assert ratio([timing(5, 10)], ours) is None


def test_a_client_is_timed_for_the_seconds_and_reset_when_an_episode_ends() -> None:
    client = Steps()
    found = time_clients([client], [0, 1], 0.02, [])
    assert found.steps >= 2 and found.q1 <= found.median <= found.q3
    assert client.resets == len(client.actions) // 3
    assert set(client.actions) == {0, 1}
    assert found.server_cpu is None and found.client_cpu > 0


def test_several_clients_are_counted_together(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.peers.measure.WARM", 0.0)
    clients = [Steps(), Steps(), Steps()]
    found = time_clients(clients, [0, 1], 0.05, [])
    timed = sum(len(client.actions) for client in clients)
    assert all(client.actions for client in clients)
    assert found.steps == timed - len(clients)  # Each has taken one step of the warm-up.
    assert 0.05 <= found.steps / found.per_second < 5


def test_the_cpu_time_of_a_process_is_the_kernels() -> None:
    before, own = cpu_seconds([os.getpid()]), time.process_time()
    while time.process_time() - own < 0.05:
        pass
    assert cpu_seconds([os.getpid()]) - before == pytest.approx(0.05, abs=0.02)
    assert cpu_seconds([]) == 0


# Tables


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.284, "0.28"),
        (9.994, "9.99"),
        (9.996, "10.0"),
        (42.04, "42.0"),
        (99.96, "100"),
        (1406.5, "1,406"),
        (2110376.8, "2,110,377"),
        (None, ""),
    ],
)
def test_a_number_has_the_digits_that_count(value: float | None, text: str) -> None:
    assert number(value) == text


def test_a_table_has_a_row_a_side_in_the_order_of_the_catalogue() -> None:
    page = tables(results({"cartpole": {"ray": cell(80, 80, 80), "frames": cell(40, 40, 40)}}))
    assert page.index("| rlmesh, frames |") < page.index("| Ray actor |")
    assert row(page, "Ray actor") == [
        "Ray actor",
        "**80.0**",
        "79.0 - 82.0",
        "80.0 - 80.0",
        "40.0",
        "20.0",
        "2.00",
    ]
    assert "### CartPole-v1\n" in page and "2 cores, A CPU, 8 GiB, Linux 6" in page
    assert "- ray: ray 2.60.0, numpy 2.4.6" in page


def test_a_side_that_has_no_number_has_a_dash_and_the_reason_below() -> None:
    cells = {"frames": cell(40, 40, 40), "ray": cell(reason="It is not for this Python.")}
    page = tables(results({"cartpole": cells}))
    assert row(page, "Ray actor")[:2] == ["Ray actor <sup>1</sup>", "-"]
    assert "\n1. It is not for this Python.\n" in page


def test_fewer_rounds_than_planned_are_told_with_the_reason() -> None:
    cells = {"frames": cell(40, 40, 40), "ray": cell(90, reason="One takes 9 s.")}
    page = tables(results({"cartpole": cells}))
    assert row(page, "Ray actor")[:2] == ["Ray actor <sup>1</sup>", "**90.0**"]
    assert "\n1. 1 of 3 rounds. One takes 9 s.\n" in page


def test_a_reason_that_two_sides_share_is_told_once() -> None:
    notes = Footnotes()
    assert [notes.mark("a"), notes.mark("b"), notes.mark("a")] == [
        " <sup>1</sup>",
        " <sup>2</sup>",
        " <sup>1</sup>",
    ]
    assert notes.lines() == ["", "1. a", "2. b"]
    assert Footnotes().lines() == []


def test_without_the_reference_there_are_no_ratios() -> None:
    page = tables(results({"cartpole": {"ray": cell(80, 80, 80)}}))
    assert row(page, "Ray actor")[-1] == ""


def test_endpoints_have_one_table_of_rates() -> None:
    one, two = {"frames": cell(50, 50, 50)}, {"frames": cell(reason="It failed: no.")}
    page = tables(results({"endpoints-1": one, "endpoints-2": two}))
    assert page.count("### CartPole-v1 at several endpoints") == 1
    assert row(page, "rlmesh, frames") == ["rlmesh, frames <sup>1</sup>", "**20,000**", "-", "", ""]
    assert "\n1. It failed: no.\n" in page


def test_every_table_has_as_many_columns_in_each_row() -> None:
    cells = {name: cell(10, 20, 30) for name in SIDES} | {"ray": cell(reason="No.")}
    page = tables(results(dict.fromkeys(CASES, cells)))
    blocks = [block for block in page.split("\n\n") if block.startswith("| ")]
    assert len(blocks) == 1 + sum(case.kind != "endpoints" for case in CASES.values())
    for block in blocks:
        lines = [line for line in block.splitlines() if line.startswith("|")]
        assert len({line.count("|") for line in lines}) == 1
        assert len(lines) == 2 + len(SIDES)


# The page


def test_a_plot_is_shown_where_there_is_one() -> None:
    measured = results({"cartpole": {"ray": cell(80, 80, 80)}})
    assert "](results.svg)\n\n### CartPole-v1" in tables(measured, "results.svg")
    assert "![" not in tables(measured)


def test_only_what_is_between_the_marks_is_replaced() -> None:
    page = replaced("# Title\n", "first")
    assert page == f"# Title\n\n{BEGIN}\n\nfirst\n\n{END}\n"
    written = page + "\n## Where a step goes\n\nBy hand.\n"
    assert replaced(written, "second") == written.replace("first", "second")


@pytest.mark.parametrize("document", [BEGIN, END, f"{END}\n{BEGIN}"])
def test_a_page_with_half_the_marks_is_refused(document: str) -> None:
    with pytest.raises(ValueError, match="expected both marks, in this order"):
        replaced(document, "anything")


# What is measured


def test_what_a_side_lacks_is_known_before_it_runs() -> None:
    graph, vector = CASES["graph"], CASES["cartpole-x16"]
    assert SIDES["dm-env-rpc"].missing(graph) and SIDES["dm-env-rpc"].missing(vector)
    assert all(SIDES[REFERENCE].missing(case) is None for case in CASES.values())
    known = {*CASES, *(case.kind for case in CASES.values())}
    assert {lacked for side in SIDES.values() for lacked in side.lacks} <= known


def test_a_peer_that_is_not_installed_stops_no_other() -> None:
    sides = [SIDES["ray"], SIDES["openenv"]]
    why = {side.venv: f"It could not be installed: {side.name}" for side in sides}
    rounds = Rounds([CASES["cartpole"]], sides, 0.01, why)
    rounds.play()
    assert rounds.cells == {
        "cartpole": {
            side.name: {"rounds": [], "reason": f"It could not be installed: {side.name}"}
            for side in sides
        }
    }


class Idle:
    """A program that never fails."""

    alive = True

    def __init__(self, *arguments: object) -> None:
        pass

    def versions(self) -> dict[str, str]:
        return {"gymnasium": "1"}

    def end(self) -> None:
        pass


def test_what_takes_long_is_left_out_of_later_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    now = iter(range(0, 1000, 5))  # Each look at the clock is 5 s after the last.
    monkeypatch.setattr(benchmarks.peers.rounds, "time", SimpleNamespace(monotonic=now.__next__))
    monkeypatch.setattr(benchmarks.peers.rounds, "Program", Idle)
    monkeypatch.setattr(benchmarks.peers.rounds, "measured", lambda *_: timing(0, 10))
    side = SIDES["in-process"]
    rounds = Rounds([CASES["cartpole"]], [side], 0.01, {side.venv: Path("python")})
    for _ in range(5):
        rounds.play()
    found = rounds.cells["cartpole"]["in-process"]
    assert len(found["rounds"]) == 2 < PATIENCE / 5
    assert found["reason"] == "One takes 5 s."


def test_what_failed_is_not_tried_again(monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: object) -> None:
        tried.append(1)
        raise SideFailed(f"no file {ROOT}/a.py")

    tried: list[int] = []
    monkeypatch.setattr(benchmarks.peers.rounds, "Program", Idle)
    monkeypatch.setattr(benchmarks.peers.rounds, "measured", fails)
    side = SIDES["in-process"]
    rounds = Rounds([CASES["cartpole"]], [side], 0.01, {side.venv: Path("python")})
    rounds.play()
    rounds.play()
    # Without the path of this machine, since it is committed.
    assert rounds.cells["cartpole"]["in-process"]["reason"] == "It failed: no file a.py."
    assert len(tried) == 1


@pytest.mark.parametrize(("limit", "played"), [(1000, 5), (31, 3), (1, 1)])
def test_no_round_begins_that_would_end_too_late(
    monkeypatch: pytest.MonkeyPatch, limit: float, played: int
) -> None:
    now = [0.0]
    rounds = SimpleNamespace(play=lambda: now.append(now[-1] + 10))
    clock = SimpleNamespace(monotonic=lambda: now[-1])
    monkeypatch.setattr(benchmarks.peers.__main__, "time", clock)
    assert benchmarks.peers.__main__._played(rounds, 5, limit) == played == len(now) - 1
