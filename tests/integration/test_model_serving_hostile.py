"""Models that misbehave: only the one request is affected, or none."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
import weakref
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rlmesh import EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions, errors
from rlmesh._messages.env import Closed, ErrorCode
from rlmesh._model_host.dynamic_batcher import DynamicBatcher, PredictRequest
from rlmesh._policy.forms import EpisodeContext
from rlmesh.adapters import PredictForm
from rlmesh.numpy import Model
from tests.inside import asked_of
from tests.integration.envs import CounterEnv
from tests.integration.serving import MIXED, PLAIN, BatchEcho, asked, at_once, clients, seen
from tests.processes import running, until


class Reusing(Model):
    """Writes every answer into the same array, as a captured CUDA graph does."""

    def __init__(self) -> None:
        super().__init__(None)
        self.answers = np.zeros(64, np.int64)

    def predict_batch(self, observations: Any) -> Any:
        count = len(observations)
        self.answers[:count] = observations[:, 0]
        if (observations[:, 0] == 13).any():
            raise ValueError("13 is no number")
        return self.answers[:count]


def test_a_model_may_write_its_next_answer_over_the_last_one() -> None:
    with clients(Reusing(), 4) as remotes:
        answers = at_once(
            [
                lambda r=r, n=n: r.predict_batch(np.array([seen(n)])).tolist()
                for r, n in zip(remotes, [20, 21, 13, 23])
            ]
        )
    assert isinstance(answers.pop(2), errors.ModelError)
    assert answers == [[20], [21], [23]], "each was asked alone, after the batch had failed"


@pytest.mark.own_transport
def test_so_may_one_that_is_evaluated_here() -> None:
    answer = {"y": np.zeros(2, np.float32), "said": ""}

    def predict(observation: Any) -> Any:
        answer["y"][:] = observation["x"]  # type: ignore[index]
        return answer

    policy = Model(predict).policy(MIXED)
    contexts = [policy.begin(name, seed=None, instruction=None) for name in "ab"]
    seen_by = [{"x": np.full(2, n, np.float32), "word": ""} for n in (1, 2)]
    actions = [chunk[0]["y"].tolist() for chunk in policy.actions(seen_by, contexts)]
    assert actions == [[1, 1], [2, 2]]


@pytest.mark.parametrize(
    "raised", [SystemExit(3), KeyboardInterrupt(), asyncio.CancelledError(), StopIteration(5)]
)
def test_whatever_a_model_raises_is_one_requests_failure(raised: BaseException) -> None:
    class Failing(BatchEcho):
        def predict_batch(self, observations: Any, context: Any) -> Any:
            if (observations[:, 0] == 13).any():
                raise raised
            return super().predict_batch(observations, context)

    with clients(Failing(), 3) as remotes:
        answers = asked(remotes, [20, 13, 22])
        assert isinstance(answers[1], errors.ModelError), answers
        assert answers[1].exception_type.endswith(type(raised).__name__)
        assert [answers[0], answers[2]] == [120, 122]
        assert asked(remotes, [20, 21, 22]) == [220, 121, 222], "the server goes on"


def test_a_closed_error_of_the_model_does_not_end_the_session() -> None:
    def predict(observation: Any) -> Any:
        if observation[0] == 13:
            raise errors.ClosedError("what the model asks is closed")
        return int(observation[0])

    with clients(Model(predict), 1) as (remote,):
        assert isinstance(asked([remote], [13])[0], errors.ModelError)
        assert remote.predict(seen(3)) == 3


@pytest.mark.parametrize("state", [None, (1, 2)])
def test_a_state_may_be_something_else_than_a_dict(state: Any) -> None:
    class Keeping(Model):
        def predict_batch(self, observations: Any, context: Any) -> Any:
            for one in context:
                one.state = state
            if len(context) > 1:
                raise ValueError("one at a time")
            return observations[:, 0].astype(int)

    with clients(Keeping(None), 2) as remotes:
        for _ in range(2):
            assert asked(remotes, [20, 21]) == [20, 21]


@pytest.mark.parametrize("chunks", [None, 3, np.zeros(1, int), [[1, 2], [3]]])
def test_what_is_no_chunk_is_an_invalid_result(chunks: Any) -> None:
    class Chunks(Model):
        def predict_chunk_batch(self, observations: Any) -> Any:
            return chunks

    class Parts(Model):
        def predict_chunk_batch(self, observations: Any) -> Any:
            return chunks if chunks is None else {"y": chunks, "said": chunks}

    for model, contract, observation in (
        (Chunks, PLAIN, seen(1)),
        (Parts, MIXED, {"x": np.zeros(2, np.float32), "word": ""}),
    ):
        with clients(model(None), 1, contract) as (remote,):
            with pytest.raises(errors.ModelError, match=r"expected .*chunks") as caught:
                remote.predict_chunk(observation)
            assert caught.value.code == ErrorCode.INVALID_RESULT
            assert caught.value.path.startswith("action")


SERVERS = [
    lambda: ModelServer(BatchEcho()),
    lambda: EnvServer(CounterEnv()),
    lambda: EnvServer(factory=CounterEnv),
]


@pytest.mark.parametrize("make", SERVERS, ids=["model", "env", "factory"])
def test_a_server_whose_on_ready_fails_is_stopped(make: Callable[[], Any]) -> None:
    server = make()

    def fail() -> None:
        raise ValueError("not ready")

    with pytest.raises(ValueError, match="not ready"):
        server.serve(on_ready=fail)
    assert server.wait(0)
    connect: Any = RemoteModel if isinstance(server, ModelServer) else RemoteEnv
    with pytest.raises(errors.ConnectError):
        connect(server.address, connect_timeout=5)
    server.shutdown()


@pytest.mark.own_transport
@pytest.mark.parametrize("make", SERVERS, ids=["model", "env", "factory"])
def test_on_ready_may_stop_the_server(make: Callable[[], Any]) -> None:
    server = make()
    serving = threading.Thread(target=lambda: server.serve(on_ready=server.shutdown), daemon=True)
    serving.start()
    serving.join(20)
    assert not serving.is_alive()
    assert server.wait(0)


def test_where_nobody_answers_a_client_cannot_connect() -> None:
    with ModelServer(BatchEcho()) as server:
        pass
    with socket.create_server(("127.0.0.1", 0)) as silent:
        for where in (server.address, f"127.0.0.1:{silent.getsockname()[1]}"):
            with pytest.raises(errors.ConnectError):
                RemoteModel(where, PLAIN, connect_timeout=1)


class Counting(Model):
    """Answers with the episode's id, and how often it was asked."""

    def predict(self, observation: Any, context: Any) -> Any:  # type: ignore[override]
        context.state["asked"] = context.state.get("asked", 0) + 1
        return 100 * int(context.episode_id) + context.state["asked"]


def test_an_episode_may_be_played_by_several_served_models() -> None:
    """As an ensemble does: each model has it in a lane of its own."""
    with clients(Counting(None), 1) as (one,), clients(Counting(None), 1) as (two,):
        first, second = EpisodeContext("1"), EpisodeContext("2")
        asked_for = [(one, first), (one, second), (two, second), (two, first), (two, first)]
        answers = [remote.predict(seen(1), context) for remote, context in asked_for]
    assert answers == [101, 201, 201, 101, 102]


def test_what_was_asked_last_is_not_kept() -> None:
    """It may be large, and lie in memory that is shared with a client that has gone."""
    last: list[weakref.ref[Any]] = []

    def predict(observation: Any) -> int:
        last.append(weakref.ref(observation))
        return int(observation[0])

    with clients(Model(predict), 1) as (remote,):
        assert remote.predict(seen(3)) == 3
        until(lambda: last[0]() is None, 20)


def test_nobody_waits_for_a_session_that_has_ended() -> None:
    options = ServeOptions(max_batch_delay_ms=60_000)
    with (
        ModelServer(BatchEcho(), options=options) as server,
        RemoteModel(server.address, PLAIN) as one,
        RemoteModel(server.address, PLAIN) as other,
    ):
        asking = threading.Thread(target=lambda: one.predict(seen(20)), daemon=True)
        asking.start()
        until(lambda: asked_of(server), 20)
        other.close()
        asking.join(20)
        assert not asking.is_alive()


@pytest.mark.own_transport
def test_an_interrupt_between_two_lines_leaves_nobody_waiting() -> None:
    """Ctrl-C just after a group was chosen, and before it is answered."""
    thread: Any = DynamicBatcher(4, 0.0, lambda: 1)
    route: Any = SimpleNamespace(can_batch=lambda chunked: False)

    def interrupted(group: Any) -> None:
        raise KeyboardInterrupt

    def run() -> None:
        with contextlib.suppress(KeyboardInterrupt):
            thread.run()

    thread._answer = interrupted
    ask = PredictRequest(
        route, PredictForm.SINGLE, None, [], [EpisodeContext("")], lambda _: Closed()
    )
    answers = at_once([lambda: thread.ask(ask), run])
    assert isinstance(answers[0], errors.ClosedError)


ENDS = """
import threading, time
from rlmesh import ModelServer, ServeOptions
from rlmesh._model_host.dynamic_batcher import DynamicBatcher, PredictRequest
from rlmesh._messages.env import Closed, ErrorCode
from rlmesh.adapters import PredictForm
from rlmesh.numpy import Model
asked = threading.Event()
def predict(observation):
    asked.set()
    time.sleep(600)
server = ModelServer(Model(predict), options=ServeOptions(grace_period=0.5))
server.start()
print(server.address, flush=True)
asked.wait()
"""


def test_a_process_ends_though_a_client_is_connected_and_a_call_hangs() -> None:
    with running(["-c", ENDS]) as process:
        address = process.wait_for("tcp://.*").group()
        with RemoteModel(address, PLAIN) as remote, pytest.raises(errors.ConnectionLostError):
            remote.predict(seen(1))
        assert process.process.wait(20) == 0


class Leaving(Model):
    def fitted(self, contract: Any) -> Any:
        raise SystemExit(3)


def test_an_adapter_that_would_end_the_process_is_told_to_its_client() -> None:
    failing = pytest.raises(errors.ModelError, match="SystemExit")
    with ModelServer(Leaving(int)) as server, failing:
        RemoteModel(server.address, PLAIN)
