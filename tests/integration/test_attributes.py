"""Methods and attributes that a server exposes: called, read and written from the client."""

from __future__ import annotations

import functools
from contextlib import closing
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh._messages import env as m
from rlmesh._transport.address import parse_address
from rlmesh._transport.grpc.client import GrpcConnection
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.services import ENV_SERVICE
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.backends import NATIVE
from rlmesh.specs import Capability, PeerInfo
from tests.inside import session_of
from tests.integration.envs import CounterEnv
from tests.processes import served

NAMES = ("instruction", "difficulty", "add", "fails", "odd", "unsaid")


class TalkingEnv(CounterEnv):
    """Has methods and attributes to expose."""

    difficulty = 3
    secret = "not for clients"

    def instruction(self) -> str:
        return "pick up the cube"

    def add(self, *numbers: Any, **named: Any) -> Any:
        return {"sum": sum(numbers), "named": named}

    def fails(self) -> None:
        raise LookupError("no such task")

    def odd(self) -> Any:
        return [1, object()]


@pytest.fixture
def remote() -> Any:
    with (
        EnvServer(TalkingEnv(), expose=NAMES) as server,
        RemoteEnv(server.address) as remote,
    ):
        yield remote


def test_the_contract_tells_what_is_exposed(remote: RemoteEnv) -> None:
    assert remote.env_contract.exposed == NAMES


@pytest.mark.every_transport
def test_a_method_is_called_with_its_arguments(remote: RemoteEnv) -> None:
    assert remote.call("instruction") == "pick up the cube"
    assert remote.call("add", 1, 2.5, scale=(1, None), text="é") == {
        "sum": 3.5,
        "named": {"scale": (1, None), "text": "é"},
    }


@pytest.mark.every_transport
def test_an_attribute_is_read_and_written(remote: RemoteEnv) -> None:
    assert remote.get_attr("difficulty") == 3
    assert remote.call("difficulty") == 3
    remote.set_attr("difficulty", {"level": [4]})
    assert remote.get_attr("difficulty") == {"level": [4]}


def test_a_method_is_read_as_a_function_that_calls_it(remote: RemoteEnv) -> None:
    instruction = remote.get_attr("instruction")
    assert instruction() == "pick up the cube"
    assert remote.get_attr("add")(1, 2, x=3) == {"sum": 3, "named": {"x": 3}}


@pytest.mark.parametrize("name", ["secret", "step", "__class__", "difficulty.real", "nothing"])
def test_no_other_name_is_reached(remote: RemoteEnv, name: str) -> None:
    for call in (
        lambda: remote.call(name),
        lambda: remote.get_attr(name),
        lambda: remote.set_attr(name, 1),
    ):
        with pytest.raises(errors.NotExposedError, match="there are instruction, diff") as caught:
            call()
        assert caught.value.choices == NAMES
    assert remote.reset()[0] == 0


def test_nothing_is_exposed_of_itself() -> None:
    with EnvServer(TalkingEnv()) as server, RemoteEnv(server.address) as remote:
        with pytest.raises(errors.NotExposedError, match="there is none"):
            remote.call("instruction")
        assert isinstance(errors.NotExposedError(""), AttributeError)


def test_what_it_raises_is_an_answer(remote: RemoteEnv) -> None:
    with pytest.raises(errors.EnvError, match=r"fails\(\) raised LookupError: no such") as caught:
        remote.call("fails")
    assert caught.value.exception_type == "builtins.LookupError"
    with pytest.raises(errors.EnvError, match="no attribute 'unsaid'"):
        remote.get_attr("unsaid")
    with pytest.raises(errors.EnvError, match="takes no arguments"):
        remote.call("difficulty", 1)
    assert remote.call("instruction") == "pick up the cube"


def test_a_result_that_cannot_be_sent_is_an_answer(remote: RemoteEnv) -> None:
    with pytest.raises(errors.EnvError, match=r"result\[1\]: expected .* got a object"):
        remote.call("odd")
    assert remote.call("instruction") == "pick up the cube"


def test_an_argument_that_cannot_be_sent_is_refused_before_it_is(remote: RemoteEnv) -> None:
    with pytest.raises(errors.InvalidValueError, match=r"args\[1\]"):
        remote.call("add", 1, object())
    with pytest.raises(errors.InvalidValueError, match=r"kwargs\['x'\]"):
        remote.call("add", x=object())
    with pytest.raises(errors.InvalidValueError, match="value: expected"):
        remote.set_attr("difficulty", object())
    assert remote.call("instruction") == "pick up the cube"


@pytest.mark.own_transport
@pytest.mark.parametrize("kind", ["empty name", "other key", "same key", "no value"])
def test_a_request_that_breaks_a_rule_is_refused_and_the_session_goes_on(kind: str) -> None:
    from rlmesh_proto.env.v1 import env_pb2

    frames = EnvWireCodec(NATIVE)
    request = env_pb2.SessionRequest(sequence=1)
    request.call.name = "" if kind == "empty name" else "add"
    entry = request.call.kwargs.entries.add()
    entry.name, entry.value.int_value = "x", 1
    if kind == "other key":
        entry.other.int_value = 3
    elif kind == "same key":
        request.call.kwargs.entries.add().CopyFrom(entry)
    elif kind == "no value":
        request.set_attribute.name = "difficulty"
    with EnvServer(TalkingEnv(), expose=NAMES) as server:
        connection = GrpcConnection(parse_address(server.address), ENV_SERVICE, "", None)
        opening = m.Open(PeerInfo(SPEC_VERSION))
        connection.exchange(frames.write_request(m.Request(0, opening)), 10)
        number, reply = frames.read_reply(connection.exchange(request.SerializeToString(), 10))
        assert number == 1
        assert isinstance(reply, m.Failure)
        assert reply.code == m.ErrorCode.MALFORMED
        fine = frames.write_request(m.Request(2, m.Call("instruction")))
        assert frames.read_reply(connection.exchange(fine, 10)) == (2, m.Called("pick up the cube"))
        connection.close()


@pytest.mark.own_transport
@pytest.mark.parametrize(
    ("names", "kind"),
    [("instruction", TypeError), ([3], TypeError), (["a.b"], ValueError), ([""], ValueError)],
)
def test_what_is_no_name_cannot_be_exposed(names: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="expose"):
        EnvServer(TalkingEnv(), expose=names)


def test_environments_of_processes_have_attributes_too() -> None:
    with (
        EnvServer(factory=TalkingEnv, workers="process", expose=NAMES) as server,
        RemoteEnv(server.address) as remote,
    ):
        assert remote.call("add", 1, 2) == {"sum": 3, "named": {}}
        with pytest.raises(errors.NotExposedError, match="there are instruction"):
            remote.get_attr("secret")
        with pytest.raises(errors.EnvError, match=r"result\[1\]"):
            remote.call("odd")


def test_the_server_says_that_it_can() -> None:
    with EnvServer(TalkingEnv()) as server, RemoteEnv(server.address) as remote:
        assert Capability.ATTRIBUTES in session_of(remote).server.capabilities


def test_serve_env_exposes_names() -> None:
    pytest.importorskip("rlmesh_numpy")
    arguments = ("--expose", "spec", "--expose", "gravity")
    with served("CartPole-v1", *arguments) as address, RemoteEnv(address) as remote:
        assert remote.get_attr("gravity") == 9.8
        assert remote.env_contract.exposed == ("spec", "gravity")


# Gymnasium's own access.


class Wrapped:
    """What the tests below serve."""

    @staticmethod
    def make() -> Any:
        import gymnasium

        class Speaking(gymnasium.Wrapper):  # type: ignore[type-arg]
            goal = "balance"

            def say(self, word: str) -> str:
                return f"{word}, {self.goal}"

        return gymnasium.wrappers.TimeLimit(Speaking(gymnasium.make("CartPole-v1")), 30)


def test_a_gymnasium_client_reads_through_wrappers_on_both_sides() -> None:
    gymnasium = pytest.importorskip("gymnasium")
    numpy = pytest.importorskip("rlmesh_numpy")
    names = ["goal", "say", "gravity", "nothing", "masscart"]
    with EnvServer(Wrapped.make(), expose=names) as server:
        remote = numpy.RemoteEnv(server.address)
        env = gymnasium.wrappers.TimeLimit(remote, 10)
        assert env.get_wrapper_attr("gravity") == 9.8
        assert env.get_wrapper_attr("say")("now") == "now, balance"
        assert env.has_wrapper_attr("goal")
        assert env.has_wrapper_attr("say")
        assert not env.has_wrapper_attr("nothing"), "exposed, but not there"
        assert not env.has_wrapper_attr("polemass_length"), "there, but not exposed"
        with pytest.raises(AttributeError):
            env.get_wrapper_attr("nothing")
        with pytest.raises(AttributeError, match="its server exposes goal, say"):
            remote.get_wrapper_attr("polemass_length")
        assert env.set_wrapper_attr("goal", "fall")
        assert remote.call("say", "well") == "well, fall"
        assert remote.get_wrapper_attr("action_space") is remote.action_space
        assert remote.set_wrapper_attr("mine", 3)
        assert remote.mine == 3
        assert not remote.set_wrapper_attr("other", 3, force=False)
        remote.close()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_vector_answers_a_lane_each_as_gymnasiums_own(asynchronous: bool) -> None:
    gymnasium = pytest.importorskip("gymnasium")
    numpy = pytest.importorskip("rlmesh_numpy")
    kind = gymnasium.vector.SyncVectorEnv
    if asynchronous:
        # JAX, if other tests have loaded it, forbids forks.
        kind = functools.partial(gymnasium.vector.AsyncVectorEnv, context="spawn")
    local = kind([Wrapped.make] * 3)
    with (
        EnvServer(kind([Wrapped.make] * 3), expose=["goal", "say", "gravity"]) as server,
        closing(numpy.RemoteVectorEnv(server.address)) as remote,
    ):
        for env in (local, remote):
            assert env.get_attr("gravity") == (9.8,) * 3
            assert env.call("say", "now") == ("now, balance",) * 3
            env.set_attr("goal", ["a", "b", "c"])
            assert env.get_attr("goal") == ("a", "b", "c")
            env.set_attr("goal", "d")
            assert env.call("goal") == ("d",) * 3
        with pytest.raises(errors.NotExposedError):
            remote.get_attr("masscart")
    local.close()
