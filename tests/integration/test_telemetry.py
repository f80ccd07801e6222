"""Spans and metrics of OpenTelemetry: of runs, clients and servers, over real transports."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import pytest

import rlmesh
from rlmesh import EnvServer, Model, RemoteEnv, errors
from rlmesh._session.client_session import ClientSession
from tests.inside import session_of
from tests.integration.envs import CounterEnv, MischiefEnv
from tests.processes import finished, running, until

pytest.importorskip("opentelemetry.sdk")

from tests.integration.telemetry import facts_of, memory_of_metrics, memory_of_spans, points

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def transport() -> str:
    """Which transport is used makes no difference; once is enough."""
    return "auto"


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setenv("RLMESH_TRACE_STEPS", "2")
    return memory_of_spans(monkeypatch)


@pytest.fixture
def reader(monkeypatch: pytest.MonkeyPatch) -> Any:
    return memory_of_metrics(monkeypatch)


def ended(spans: Any, name: str, count: int) -> list[dict[str, Any]]:
    """The spans of a name, once there are as many."""

    def found() -> list[dict[str, Any]] | None:
        known = [one for one in facts_of(spans.get_finished_spans()) if one["name"] == name]
        return known if len(known) >= count else None

    known = until(found, 30, name)
    assert len(known) == count, known
    return known


def test_a_run_and_its_server_in_another_process_make_one_trace(spans: Any) -> None:
    command = ["-m", "tests.integration.telemetry"]
    with running(command, RLMESH_TRACE_STEPS="2") as server:
        started = server.wait_for(r"serving on (\S+) as (\d+)\n")
        address, process = started.group(1), int(started.group(2))
        result = rlmesh.evaluate(lambda _: 1, [address], seeds=(7, 8))
        server.stop()
        theirs = json.loads(server.wait_for(r"spans (.*)\n").group(1))
    assert process != os.getpid()
    mine = facts_of(spans.get_finished_spans())
    run = mine[-1]
    assert run["name"] == "rlmesh.run" and run["parent"] == ""
    assert run["episodes"] == 2 and run["mean_reward"] == result.mean_reward
    assert {one["trace"] for one in mine + theirs} == {run["trace"]}
    session = theirs[-1]
    assert session["name"] == "rlmesh.serve.session" and session["parent"] == run["span"]
    assert session["steps"] == 6 and session["episodes"] == 2 and session["address"] == address
    assert session["reason"] == "closed by its client" and session["losses"] == 0
    episodes = [one for one in mine if one["name"] == "rlmesh.episode"]
    assert [one["parent"] for one in episodes] == [run["span"]] * 2
    assert [(one["seed"], one["steps"], one["end"]) for one in episodes] == [
        ("7", 3, "terminated"),
        ("8", 3, "terminated"),
    ]
    steps = [one for one in mine if one["name"] == "rlmesh.step"]
    assert [(one["parent"], one["step"]) for one in steps] == [
        (episode["span"], step) for episode in episodes for step in (0, 2)
    ]
    served = [one for one in theirs if one["name"] == "rlmesh.serve.step"]
    assert [(one["parent"], one["episode_id"], one["step"]) for one in served] == [
        (session["span"], name, step) for name in "01" for step in (0, 2)
    ]
    for one in steps:
        whole = (one["ended"] - one["begun"]) / 1e9
        parts = one["environment_seconds"] + one["wire_seconds"]
        assert parts == pytest.approx(whole, abs=1e-5) and one["model_seconds"] > 0
    for inner, outer in [(one, episodes[i // 2]) for i, one in enumerate(steps)]:
        assert outer["begun"] <= inner["begun"] <= inner["ended"] <= outer["ended"]


def test_an_episode_that_is_played_again_has_a_span_for_each_attempt(spans: Any) -> None:
    def predict(_: Any) -> int:
        predictions.append(1)
        return MischiefEnv.TROUBLES.index("raise") if len(predictions) == 1 else 0

    predictions: list[int] = []
    with EnvServer(MischiefEnv()) as server:
        rlmesh.evaluate(predict, [server.address], seeds=[3], max_episode_steps=2)
    first, second = ended(spans, "rlmesh.episode", 2)
    assert first["is_error"] and first["end"] == "abandoned" and first["steps"] == 0
    assert not second["is_error"] and second["end"] == "limit" and second["steps"] == 2


def test_a_run_that_fails_ends_its_span_with_the_error(spans: Any) -> None:
    def predict(_: Any) -> int:
        raise ArithmeticError("no prediction")

    with EnvServer(CounterEnv()) as server, pytest.raises(errors.RunError):
        rlmesh.evaluate(predict, [server.address], seeds=[3])
    (run,) = ended(spans, "rlmesh.run", 1)
    assert run["is_error"] and "episodes" not in run
    (episode,) = ended(spans, "rlmesh.episode", 1)
    assert episode["end"] == "unfinished" and episode["parent"] == run["span"]


def test_sessions_of_models_are_below_the_run(spans: Any) -> None:
    with (
        rlmesh.ModelServer(Model(lambda _: 1)) as model,
        EnvServer(CounterEnv()) as server,
        rlmesh.RemoteModel(model.address) as remote,
    ):
        rlmesh.evaluate(remote, [server.address], seeds=[3])
    (run,) = ended(spans, "rlmesh.run", 1)
    sessions = ended(spans, "rlmesh.serve.session", 2)
    assert {one["parent"] for one in sessions} == {run["span"]}
    assert {one["address"] for one in sessions} == {model.address, server.address}


def test_a_loop_of_your_own_has_spans_of_its_steps_below_yours(spans: Any) -> None:
    from opentelemetry import trace

    tracer = trace.get_tracer("mine")
    with EnvServer(CounterEnv()) as server:
        with tracer.start_as_current_span("mine"), RemoteEnv(server.address) as env:
            env.reset()
            for action in (0, 1, 0):
                env.step(action)
            env.reset()
            env.step_many([0, 1])
        with RemoteEnv(server.address) as env:  # It is in no span, and has none of its own.
            env.reset()
            env.step(0)
        with RemoteEnv(server.address, traceparent=PARENT) as env:
            env.reset()
        mine, given = ended(spans, "mine", 1)[0], PARENT.split("-")
        sessions = ended(spans, "rlmesh.serve.session", 3)
    steps = ended(spans, "rlmesh.step", 3)
    assert {one["parent"] for one in steps} == {mine["span"]}
    assert [one["step"] for one in steps] == [0, 2, 0]
    assert all(one["environment_seconds"] < 10 and one["wire_seconds"] > 0 for one in steps)
    assert [one["parent"] for one in sessions] == [mine["span"], "", given[2]]
    assert sessions[2]["trace"] == given[1]


def test_the_variable_chooses_the_steps_that_have_spans(
    spans: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with EnvServer(CounterEnv()) as server:
        monkeypatch.setenv("RLMESH_TRACE_STEPS", "0")
        rlmesh.evaluate(lambda _: 1, [server.address], seeds=[3])
        ended(spans, "rlmesh.episode", 1)
        assert "rlmesh.step" not in {span.name for span in spans.get_finished_spans()}
        monkeypatch.setenv("RLMESH_TRACE_STEPS", "often")
        with pytest.raises(ValueError, match=r"RLMESH_TRACE_STEPS='often': expected a whole num"):
            rlmesh.evaluate(lambda _: 1, [server.address], seeds=[3])


@pytest.mark.parametrize("workers", [None, "thread", "process"])
def test_metrics_of_a_server(workers: Any, reader: Any) -> None:
    hosted: dict[str, Any] = {"env": CounterEnv()}
    if workers is not None:
        hosted = {"factory": CounterEnv, "workers": workers}
    with EnvServer(**hosted) as server:
        where = {"address": server.address, "id": "CounterEnv"}
        with RemoteEnv(server.address) as env:
            for _ in range(2):
                env.reset()
                for action in (0, 1, 0):
                    env.step(action)
            env.reset()
            assert len(env.step_many([0, 1])) == 2
            with pytest.raises(errors.BusyError):
                RemoteEnv(server.address)
            with pytest.raises(errors.EnvError):
                env.render()
            seen = points(reader, **where)
            (held,), (steps,) = (seen[f"rlmesh.server.session.{x}"] for x in ("held", "steps"))
            assert held.attributes["rlmesh.session"] == session_of(env).id and held.value > 0
            assert held.attributes["rlmesh.client"].endswith(f":{os.getpid()}")
            assert steps.value == 8
            assert [point.value for point in seen["rlmesh.server.sessions"]] == [1]
            assert [point.value for point in seen["rlmesh.server.queue"]] == [0]
        until(lambda: not points(reader, **where)["rlmesh.server.sessions"][0].value, 30)
        seen = points(reader, **where)
        assert [point.value for point in seen["rlmesh.server.steps"]] == [8]
        assert [point.value for point in seen["rlmesh.server.episodes"]] == [2]
        assert [point.value for point in seen["rlmesh.server.sessions.opened"]] == [1]
        assert seen.get("rlmesh.server.session.held", []) == []
        failed = {p.attributes["rlmesh.code"]: p.value for p in seen["rlmesh.server.errors"]}
        assert failed == {"busy": 1, "user_exception": 1}
        for name in ("server", "client"):
            latency = {
                point.attributes["rlmesh.request"]: point
                for point in seen[f"rlmesh.{name}.request.duration"]
            }
            assert latency["step"].count == 6 and latency["step_many"].count == 1
            assert 0 < latency["step"].sum < 60 and latency["step"].explicit_bounds[0] == 0.00005


def test_metrics_count_every_lane(reader: Any) -> None:
    pytest.importorskip("rlmesh_numpy")
    import gymnasium

    envs = [lambda: gymnasium.make("CartPole-v1", max_episode_steps=4) for _ in range(3)]
    with EnvServer(envs) as server, rlmesh.RemoteVectorEnv(server.address) as env:
        env.reset(seed=1)
        for _ in range(4):
            env.step([0, 0, 0])
        seen = points(reader, address=server.address)
    assert [point.value for point in seen["rlmesh.server.steps"]] == [12]
    assert [point.value for point in seen["rlmesh.server.episodes"]] == [3]


def test_metrics_of_a_model_server(reader: Any) -> None:
    with (
        rlmesh.ModelServer(Model(lambda _: 1)) as model,
        EnvServer(CounterEnv()) as server,
        rlmesh.RemoteModel(model.address) as remote,
    ):
        rlmesh.evaluate(remote, [server.address], seeds=(3, 4))
        seen = points(reader, address=model.address)
    (sizes,) = seen["rlmesh.server.batch.size"]
    assert (sizes.count, sizes.sum, sizes.max) == (6, 6, 1)
    assert [point.value for point in seen["rlmesh.server.batch.queue"]] == [0]
    assert [point.value for point in seen["rlmesh.server.episodes"]] == [2]
    kinds = {p.attributes["rlmesh.request"]: p for p in seen["rlmesh.server.request.duration"]}
    assert kinds["predict"].count == 6


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:0", "frames://127.0.0.1:0"])
def test_wrong_tokens_are_counted(address: str, reader: Any) -> None:
    with EnvServer(CounterEnv(), address, token="s3cret") as server:
        with pytest.raises(errors.AuthenticationError):
            RemoteEnv(server.address, token="gu3ss")
        (failed,) = points(reader, address=server.address)["rlmesh.server.errors"]
        assert failed.attributes["rlmesh.code"] == "unauthenticated" and failed.value == 1
        assert "gu3ss" not in str(reader.get_metrics_data().to_json())


def test_without_a_provider_nothing_is_recorded() -> None:
    assert "opentelemetry" in sys.modules
    with EnvServer(CounterEnv()) as server, RemoteEnv(server.address) as env:
        assert type(session_of(env)) is ClientSession
        assert server._telemetry is None and server._manager.observer is None


def test_a_program_without_telemetry_does_not_import_it() -> None:
    program = (
        "import sys, rlmesh\n"
        "from tests.integration.envs import CounterEnv\n"
        "with rlmesh.EnvServer(CounterEnv()) as server:\n"
        "    rlmesh.evaluate(lambda _: 1, [server.address], seeds=[1])\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])\n"
    )
    done = finished(["-c", program], fresh=True)
    assert done.stdout == "[]\n", done.stderr
