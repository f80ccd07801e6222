"""Any run comes back from its files, and any journal from its records."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from rlmesh_proto.eval.v1 import result_pb2

from rlmesh._journal import Journal
from rlmesh.adapters import Finding
from rlmesh.backends import NATIVE
from rlmesh.errors import CodecError
from rlmesh.results import (
    EpisodeEnd,
    EpisodeFailure,
    EpisodeResult,
    RunResult,
    RunSettings,
    StopDecision,
    Stopping,
    TaskSettings,
    Timing,
)
from rlmesh.results._frozen_mapping import FrozenMapping
from rlmesh.results._journal_header import JournalHeader
from tests.conformance.native_values import one_nan, values_equal
from tests.property.strategies import CHARACTERS, dynamic_arrays, info_trees, integers_of

TEXT = st.text(CHARACTERS, max_size=6)
UNSIGNED = integers_of(0, 2**64 - 1)
FLOATS = st.floats() | st.sampled_from([-0.0, math.inf, -math.inf, math.nan, 5e-324])
TENSORS = dynamic_arrays().filter(lambda array: None not in (array.dtype, array.shape))
INFOS = info_trees(TENSORS.map(NATIVE.from_dynamic))
TIMINGS = st.builds(Timing, FLOATS, FLOATS, FLOATS, FLOATS)
FAILURES = st.builds(
    EpisodeFailure,
    message=TEXT,
    exception_type=TEXT,
    code=st.integers(0, 40),
    traceback=TEXT,
    path=TEXT,
    expected=TEXT,
    actual=TEXT,
    exit_code=st.none() | integers_of(-(2**31), 2**31 - 1),
)
TEXTS = st.lists(TEXT, max_size=3).map(tuple)
NAMED_TEXTS = st.dictionaries(TEXT, TEXT, max_size=3)
COUNTS = st.dictionaries(TEXT, UNSIGNED, max_size=3)
TASKS = st.builds(TaskSettings, TEXT, TEXT, UNSIGNED, TEXT, TEXT, TEXT, TEXT)
SETTINGS = st.builds(
    RunSettings,
    execution_horizon=st.none() | UNSIGNED,
    max_batch_size=st.none() | UNSIGNED,
    max_episode_steps=st.none() | UNSIGNED,
    max_episode_seconds=st.none() | st.floats(min_value=5e-324),
    seeded=st.booleans(),
    validation=TEXTS,
    run_id=TEXT,
    load_arguments=NAMED_TEXTS,
    model_digest=TEXT,
    spaces_digest=TEXT,
    tags_digest=TEXT,
    adapter_plan=TEXT,
    adapter_advisories=TEXTS,
    versions=NAMED_TEXTS,
    env_servers=TEXTS,
    model_server=TEXT,
    hosts=TEXTS,
    env_hosts=TEXTS,
    model_hosts=TEXTS,
    success=TEXT,
    success_key=TEXT,
    until=TEXT,
    acting=TEXT,
    tasks=st.lists(TASKS, max_size=2).map(tuple),
    command=TEXTS,
)
EPISODES = st.builds(
    EpisodeResult,
    index=UNSIGNED,
    seed=st.none() | UNSIGNED,
    reward=FLOATS,
    steps=UNSIGNED,
    end=st.sampled_from(EpisodeEnd),
    success=st.none() | st.booleans(),
    env_id=TEXT,
    timing=TIMINGS,
    endpoint=TEXT,
    error=st.none() | FAILURES,
    final_info=st.none() | INFOS,
    started_at=FLOATS,
    task=TEXT,
    instruction=st.none() | TEXT,
    options=st.none() | INFOS,
    warnings=COUNTS,
)
ENDS = st.floats(allow_nan=False, allow_infinity=False)
STOPPINGS = st.builds(
    Stopping,
    decision=st.sampled_from(StopDecision),
    interval=st.tuples(ENDS, ENDS) | st.just((float("nan"), float("nan"))),
    discarded=UNSIGNED,
)
FINDINGS = st.builds(
    Finding,
    path=TEXT,
    rule=TEXT,
    seen=TEXT,
    check=TEXT,
    level=st.sampled_from(("info", "caution")),
    task=TEXT,
)
RUNS = st.builds(
    RunResult,
    episodes=st.lists(EPISODES, max_size=3).map(tuple),
    env_id=TEXT,
    model_id=TEXT,
    timing=TIMINGS,
    instruction=st.none() | TEXT,
    started_at=FLOATS,
    metadata=INFOS,
    settings=SETTINGS,
    warnings=COUNTS,
    resume_differences=TEXTS,
    stopping=st.none() | STOPPINGS,
    findings=st.lists(FINDINGS, max_size=2).map(tuple),
)
HEADERS = st.builds(
    JournalHeader,
    model_id=TEXT,
    env_ids=st.lists(TEXT, max_size=3).map(tuple),
    seeds=st.lists(UNSIGNED, max_size=3).map(tuple),
    episodes=UNSIGNED,
    instruction=st.none() | TEXT,
    settings=SETTINGS,
)


def parts(value: Any) -> Any:
    """A result as what `values_equal` compares to the bit."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        facts = {f.name: parts(getattr(value, f.name)) for f in dataclasses.fields(value)}
        return (type(value), facts)
    if isinstance(value, tuple):
        return tuple(map(parts, value))
    if isinstance(value, FrozenMapping):
        return dict(sorted(value.items()))
    return value


@given(run=RUNS)
def test_a_run_comes_back_from_bytes(run: RunResult) -> None:
    again = RunResult.from_bytes(run.to_bytes())
    assert values_equal(parts(again), parts(run))
    assert again.to_bytes() == run.to_bytes()


@given(run=RUNS, indent=st.sampled_from([None, 2]))
def test_a_run_comes_back_from_json(run: RunResult, indent: int | None) -> None:
    again = RunResult.from_json(run.to_json(indent=indent))
    assert values_equal(one_nan(parts(again)), one_nan(parts(run)))


@given(run=RUNS)
def test_every_run_has_all_forms(run: RunResult) -> None:
    assert str(run) and run._repr_html_().encode() and run.to_html().encode()
    low, high = run.reward_interval()
    assert math.isnan(low) or min(run.rewards) <= low <= high <= max(run.rewards)


@given(header=HEADERS, episodes=st.lists(EPISODES, max_size=3), cut=st.integers(0, 2**20))
def test_a_journal_comes_back(
    tmp_path_factory: Any, header: JournalHeader, episodes: list[EpisodeResult], cut: int
) -> None:
    path: Path = tmp_path_factory.mktemp("journal") / "j"
    ends: list[int] = []
    with Journal.create(path, header) as journal:
        for episode in episodes:
            ends.append(path.stat().st_size)
            journal.append(episode)
    data = path.read_bytes()
    first = ends[0] if ends else len(data)
    size = first + cut % (len(data) - first + 1)
    path.write_bytes(data[:size])
    whole = sum(end <= size for end in [*ends[1:], len(data)] if episodes)
    with Journal.open(path, header) as journal:
        assert journal.header == header
        assert values_equal(parts(journal.episodes), parts(tuple(episodes[:whole])))
        for episode in episodes[whole:]:
            journal.append(episode)
    assert path.read_bytes() == data


@given(data=st.binary(max_size=60))
def test_bytes_are_a_run_or_an_error(data: bytes) -> None:
    _read_or_refused(lambda: RunResult.from_bytes(data))


@given(run=RUNS, places=st.lists(st.tuples(st.integers(0, 2**16), st.integers(0, 255)), min_size=1))
def test_damaged_bytes_are_a_run_or_an_error(run: RunResult, places: list[tuple[int, int]]) -> None:
    data = bytearray(run.to_bytes())
    for place, byte in places:
        data[place % len(data)] = byte
    _read_or_refused(lambda: RunResult.from_bytes(bytes(data)))


NAMES = [field.json_name for field in result_pb2.RunResult.DESCRIPTOR.fields]
NAMES += [field.json_name for field in result_pb2.EpisodeResult.DESCRIPTOR.fields]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT | st.just("1.0.0rc1"),
    lambda part: (
        st.lists(part, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES) | TEXT, part, max_size=4)
    ),
    max_leaves=8,
)


@given(value=JSON)
def test_any_json_is_a_run_or_an_error(value: Any) -> None:
    _read_or_refused(lambda: RunResult.from_json(json.dumps(value)))


def _read_or_refused(read: Any) -> None:
    try:
        run = read()
    except CodecError:
        return
    assert isinstance(run, RunResult)
