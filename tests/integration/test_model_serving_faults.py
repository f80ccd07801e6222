"""Sessions of a model that break, and clients that are refused."""

from __future__ import annotations

import random
import threading
import time
from dataclasses import replace
from typing import Any

import grpc
import numpy as np
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from rlmesh import TLS, EnvServer, ModelServer, RemoteEnv, RemoteModel, ServeOptions, errors
from rlmesh._messages import env as m
from rlmesh._messages.model import (
    EndEpisode,
    EpisodeEnded,
    EpisodeStarted,
    Predict,
    Predicted,
    StartEpisode,
)
from rlmesh._policy.forms import EpisodeContext
from rlmesh._session.client_session import ClientSession
from rlmesh._session.connect_options import ConnectOptions
from rlmesh._session.versions import this_peer
from rlmesh._transport.address import parse_address
from rlmesh._transport.grpc.client import GrpcConnection
from rlmesh._wire.failures import raise_model_failure
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.services import MODEL_SERVICE
from rlmesh.adapters import PredictForm
from rlmesh.backends import NATIVE
from rlmesh.numpy import Model
from rlmesh.specs import Capability
from tests.certificates import issued
from tests.faults import Proxy, between
from tests.inside import asked_of
from tests.integration.envs import CounterEnv
from tests.integration.serving import PLAIN, BatchEcho, Echo, seen
from tests.processes import running, until

FRAMES = ModelWireCodec(NATIVE)
ONE = bytes(8)
"""An observation of `PLAIN`, encoded."""


class Counting(Model):
    """Answers with how often the episode was asked."""

    def predict_batch(self, observations: Any, context: Any) -> Any:
        for one in context:
            one.state["asked"] = one.state.get("asked", 0) + 1
        return np.array([one.state["asked"] for one in context])


@pytest.mark.every_transport
def test_every_prediction_is_made_once_however_often_the_connection_breaks(
    transport: str,
) -> None:
    chance, events = random.Random(7), []
    with (
        ModelServer(Counting(None)) as server,
        between(server.address, transport) as (address, proxy),
        RemoteModel(address, PLAIN, on_reconnect=events.append) as remote,
    ):
        assert remote.transport == transport
        contexts, counts = [EpisodeContext("a"), EpisodeContext("b")], [0, 0]
        for step in range(80):
            kind = chance.randrange(8)
            if kind == 0:
                proxy.cut()
            elif kind == 1:
                proxy.cut_after(1)
            elif kind == 2:
                threading.Timer(chance.random() / 500, proxy.cut).start()
            lane = step % 2
            counts[lane] += 1
            assert remote.predict(seen(1), contexts[lane]) == counts[lane]
    assert len(events) >= 10


@pytest.mark.every_transport
def test_an_answer_that_was_lost_is_told_again_without_another_call(transport: str) -> None:
    model = Echo()
    with (
        ModelServer(model) as server,
        between(server.address, transport) as (address, proxy),
        RemoteModel(address, PLAIN) as remote,
    ):
        remote.predict(seen(1))
        model.entered.clear()
        model.go.clear()
        answers: list[Any] = []
        asking = threading.Thread(target=lambda: answers.append(remote.predict(seen(2))))
        asking.start()
        assert model.entered.wait(10)
        assert proxy.cut()
        model.go.set()
        asking.join(20)
    assert answers == [2] and model.calls == [[1], [2]]


@pytest.mark.parametrize("transport", ["grpc"], indirect=True)  # Frames come back over it.
def test_a_session_that_is_not_resumed_in_time_is_over_and_others_go_on() -> None:
    with (
        ModelServer(Counting(None), options=ServeOptions(grace_period=0.2)) as server,
        Proxy(server.address) as proxy,
        RemoteModel(server.address, PLAIN) as other,
        RemoteModel(proxy.address, PLAIN) as remote,
    ):
        assert remote.predict(seen(1)) == other.predict(seen(1)) == 1
        with proxy.refusing():
            proxy.cut()
            with pytest.raises(errors.ConnectionLostError):
                remote.predict(seen(1))
        assert other.predict(seen(1)) == 2


@pytest.mark.parametrize("transport", ["grpc"], indirect=True)  # Frames come back over it.
def test_a_lost_session_is_no_other_one_until_a_new_run_begins() -> None:
    with (
        ModelServer(Counting(None), options=ServeOptions(grace_period=0)) as server,
        Proxy(server.address) as proxy,
        RemoteModel(proxy.address, PLAIN) as remote,
    ):
        assert remote.predict(seen(1)) == 1
        proxy.cut()
        with pytest.raises(errors.ConnectionLostError):
            remote.predict(seen(1))
        with pytest.raises(errors.ClosedError):
            remote.predict(seen(1))
        policy = remote.policy(PLAIN)
        context = policy.begin("again", seed=None, instruction=None)
        assert policy.actions([seen(1)], [context]) == [[1]]


@pytest.mark.parametrize("token", ["", "wrong", "rights"])
def test_a_wrong_token_is_refused_before_anything_is_sent(token: str) -> None:
    with ModelServer(Echo(), token="right") as server:
        with pytest.raises(errors.AuthenticationError) as caught:
            RemoteModel(server.address, PLAIN, token=token)
        assert "Echo" not in str(caught.value)
        with RemoteModel(server.address, PLAIN, token="right") as remote:
            assert remote.predict(seen(4)) == 4


def test_a_session_over_tls(authority: Any, roots: bytes) -> None:
    tls = issued(authority)
    with ModelServer(Echo(), "127.0.0.1:0", tls=tls) as server:
        assert server.address.startswith(("grpcs://127.0.0.1:", "framess://127.0.0.1:"))
        with RemoteModel(server.address, PLAIN, tls=TLS(authority=roots)) as remote:
            assert remote.predict(seen(5)) == 5
        with pytest.raises(errors.RLMeshError):
            RemoteModel(server.address, PLAIN, connect_timeout=3)


def test_over_a_unix_socket(tmp_path: Any) -> None:
    with (
        ModelServer(Echo(), path=str(tmp_path / "model.sock")) as server,
        RemoteModel(server.address, PLAIN) as remote,
    ):
        assert remote.predict(seen(6)) == 6


def test_a_server_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    with ModelServer(Echo()) as server:
        monkeypatch.setattr("rlmesh._client.model_stub.SPEC_VERSION", "9.0.0")
        with pytest.raises(errors.UnsupportedVersionError, match=r"this client 9\.0\.0"):
            RemoteModel(server.address, PLAIN)


def test_a_model_is_no_environment_and_the_reverse() -> None:
    wrong = errors.WrongServiceError
    with (
        ModelServer(Echo()) as server,
        pytest.raises(wrong, match=r"(implement|and not) .*EnvService"),
    ):
        RemoteEnv(server.address)
    with (
        EnvServer(CounterEnv()) as env,
        pytest.raises(wrong, match=r"(implement|and not) .*ModelService"),
    ):
        RemoteModel(env.address)


def test_more_sessions_than_allowed_are_busy_or_wait() -> None:
    with ModelServer(Echo(), max_sessions=1) as server:
        first = RemoteModel(server.address, PLAIN)
        with pytest.raises(errors.BusyError, match="as many as its server allows") as caught:
            RemoteModel(server.address, PLAIN)
        assert caught.value.holder == ""
        threading.Timer(0.3, first.close).start()
        with RemoteModel(server.address, PLAIN, wait=10) as second:
            assert second.predict(seen(1)) == 1


@pytest.mark.every_transport
def test_shutting_down_answers_what_was_asked() -> None:
    model = BatchEcho()
    options = ServeOptions(drain_timeout=10, max_batch_size=1)
    server = ModelServer(model, options=options)
    server.start()
    remotes = [RemoteModel(server.address, PLAIN) for _ in range(3)]
    model.go.clear()
    answers: list[Any] = []
    threads = [
        threading.Thread(target=lambda r=remote: answers.append(r.predict(seen(1))))
        for remote in remotes
    ]
    for thread in threads:
        thread.start()
    # One prediction runs, and the other two wait in the queue.
    assert model.entered.wait(20)
    until(lambda: len(asked_of(server)) == 2, 20)
    stopping = threading.Thread(target=server.shutdown)
    stopping.start()
    time.sleep(0.2)
    assert _status(server.address) is None or _status(server.address) == "NOT_SERVING"
    model.go.set()
    for thread in (*threads, stopping):
        thread.join(20)
    assert answers == [101, 101, 101]
    with pytest.raises((errors.TransportError, errors.RemoteError)):
        remotes[0].predict(seen(1))
    for remote in remotes:
        remote.close()


def _status(address: str) -> str | None:
    with grpc.insecure_channel(address.removeprefix("tcp://")) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        try:
            answer = stub.Check(health_pb2.HealthCheckRequest(service=MODEL_SERVICE), timeout=5)
        except grpc.RpcError:
            return None
    return str(health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status))


@pytest.mark.own_transport
def test_health_knows_the_model_service() -> None:
    with ModelServer(Echo()) as server:
        assert _status(server.address) == "SERVING"


def test_the_model_can_be_used_after_it_was_served() -> None:
    model = Echo()
    with ModelServer(model) as server, RemoteModel(server.address, PLAIN) as remote:
        remote.predict(seen(1))
    assert model.predict(seen(2)) == 2
    server.shutdown()


SERVE = """
from rlmesh.numpy import Model
from rlmesh import ServeOptions
Model(lambda observation: int(observation[0])).serve("unix://{path}", token="t")
"""


def test_serve_blocks_until_it_is_told_to_stop(tmp_path: Any) -> None:
    path = tmp_path / "model.sock"
    with running(["-c", SERVE.format(path=path)]) as process:
        deadline = time.monotonic() + 30
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        with RemoteModel(f"unix://{path}", PLAIN, token="t") as remote:
            assert remote.predict(seen(7)) == 7
        assert process.stop() == 0
    assert not path.exists()


# What only a client of another make sends.


class Raw:
    """A session in frames."""

    def __init__(self, address: str, contract: Any = PLAIN, **peer: Any) -> None:
        where = parse_address(address)
        client = replace(this_peer("raw", frozenset({Capability.RESUME})), **peer)
        self.session = ClientSession(
            lambda: GrpcConnection(where, MODEL_SERVICE),
            FRAMES,
            client,
            ConnectOptions(10.0),
            contract=contract,
            raise_failure=raise_model_failure,
        )
        self.session.request(StartEpisode(0, "e"), EpisodeStarted)

    def predict(
        self, form: Any, lanes: Any, batch: int | None, data: bytes = ONE, most: int = 0
    ) -> Any:
        body = Predict(form, tuple(lanes), m.Encoded([data], batch), most)
        return self.session.request(body, Predicted)

    def refused(self, code: m.ErrorCode, path: str, *arguments: Any, **given: Any) -> None:
        """A prediction that is refused so, and after it one that is not."""
        with pytest.raises(errors.RLMeshError) as caught:
            self.predict(*arguments, **given)
        error: Any = caught.value
        if code is m.ErrorCode.INVALID_VALUE:
            assert isinstance(error, errors.InvalidValueError | errors.CodecError)
        else:
            assert error.code == code
        assert error.path.startswith(path)
        assert self.predict(PredictForm.SINGLE, [0], None).actions.batch_size is None


@pytest.mark.own_transport
def test_requests_that_break_a_rule() -> None:
    codes, single, batch = m.ErrorCode, PredictForm.SINGLE, PredictForm.BATCH
    with ModelServer(Counting(None)) as server:
        raw = Raw(server.address)
        raw.session.request(StartEpisode(1), EpisodeStarted)
        raw.refused(codes.UNSUPPORTED, "form", None, [0], None)
        raw.refused(codes.UNSUPPORTED, "form", PredictForm.CHUNK, [0], None)
        raw.refused(codes.MALFORMED, "lanes", single, [], None)
        raw.refused(codes.MALFORMED, "lanes", single, [0, 1], None)
        raw.refused(codes.MALFORMED, "lanes", batch, [1, 1], 2, 2 * ONE)
        raw.refused(codes.LIMIT_EXCEEDED, "max_chunk_length", single, [0], None, most=65_537)
        raw.refused(codes.WRONG_STATE, "lanes", batch, [0, 9], 2, 2 * ONE)
        raw.refused(codes.INVALID_VALUE, "observation", single, [0], 1)
        raw.refused(codes.INVALID_VALUE, "observation", batch, [0, 1], 3, 3 * ONE)
        raw.refused(codes.INVALID_VALUE, "observation", batch, [0, 1], None, 2 * ONE)
        raw.refused(codes.INVALID_VALUE, "observation", single, [0], None, b"short")
        with pytest.raises(errors.LimitError):
            raw.session.request(StartEpisode(65_536), EpisodeStarted)
        with pytest.raises(errors.LimitError):
            raw.session.request(StartEpisode(2, "x" * 65_537), EpisodeStarted)
        assert raw.session.request(EndEpisode(1), EpisodeEnded) == EpisodeEnded()
        raw.session.close()
        assert raw.session.closed


@pytest.mark.own_transport
def test_requests_that_are_unknown_or_malformed_count_and_the_session_goes_on() -> None:
    with ModelServer(Echo()) as server:
        connection = GrpcConnection(parse_address(server.address), MODEL_SERVICE)

        def told(request: bytes) -> Any:
            return FRAMES.read_reply(connection.exchange(request))[1]

        client = this_peer("raw", frozenset())
        opening = m.Open(client, contract=PLAIN)
        assert isinstance(told(FRAMES.write_request(m.Request(0, opening))), m.Opened)
        assert told(b"\x08\x01").code == m.ErrorCode.UNSUPPORTED
        assert told(b"\x08\x02\x2a\x00").code == m.ErrorCode.MALFORMED, "without an observation"
        assert told(b"\x08\x02").code == m.ErrorCode.MALFORMED, "a repetition"
        assert told(b"\x08\x07").code == m.ErrorCode.OUT_OF_SEQUENCE
        assert told(FRAMES.write_request(m.Request(3, opening))).code == m.ErrorCode.WRONG_STATE
        assert told(FRAMES.write_request(m.Request(4, m.Close()))) == m.Closed()
        connection.close()


@pytest.mark.own_transport
def test_openings_that_are_refused() -> None:
    with ModelServer(Echo()) as server:
        with pytest.raises(errors.UnsupportedVersionError, match="H-4: "):
            # Before its contract is looked at (H-3).
            Raw(server.address, None, spec_version="9.0.0")
        with pytest.raises(errors.ProtocolError, match="no contract") as caught:
            Raw(server.address, None)
        assert caught.value.code == m.ErrorCode.MALFORMED and caught.value.path == "contract"
