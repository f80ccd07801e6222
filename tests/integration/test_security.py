"""What leaves a server, and what it takes: SECURITY.md names these tests."""

from __future__ import annotations

import ast
import functools
import logging
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest
from rlmesh_proto.env.v1 import env_pb2, env_pb2_grpc

from rlmesh import EnvServer, RemoteEnv, ServeOptions, errors
from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from tests.inside import call_handler_of
from tests.integration.envs import CounterEnv, MischiefEnv, ScriptedEnv
from tests.processes import ROOT

SECRET = "s3cret-of-the-test"

# Calls that can run arbitrary code, and the modules that may make them.
DANGEROUS = {
    "pickle.loads": {
        "rlmesh._env_host.pickled_factory": "from the server that started the process",
        "rlmesh._env_host.registered_envs": "from the server that started this process",
    },
    "pickle.dumps": {"rlmesh._env_host.pickled_factory": "to the process that the server starts"},
    "pickler.dumps": {"rlmesh._env_host.pickled_factory": "to the process that the server starts"},
    "ast.literal_eval": {"rlmesh.acting": "literals alone, of a run's settings"},
    "importlib.import_module": {
        "rlmesh._cli.sources": "what the command line names",
        "rlmesh_thin.main": "what the command line names",
        "rlmesh.backends._registry": "one of our own, or one that an installed package declares",
        "rlmesh._conformance.checks.__init__": "one of our own",
        "rlmesh._lazy": "one of our own",
        "rlmesh._env_host.pickled_factory": "cloudpickle",
        "rlmesh._env_host.registered_envs": "what the server's program has imported",
        "rlmesh._models.base": "a client of our own",
        "rlmesh._optional": "one of an extra's",
        "rlmesh._telemetry": "one of OpenTelemetry's",
        "rlmesh._recording.writer": "one of Python's own",
        "rlmesh.adapters._entrypoints": "what the user has said to trust",
        "rlmesh._models.playing": "a client of our own",
        "rlmesh.spaces._gymnasium": "one of our own",
    },
}
WORDS = ("pickle", "marshal", "shelve", "import_module", "__import__", "eval", "exec", "compile")


def sources(*words: str) -> Iterator[tuple[str, ast.Module]]:
    """Yield name and syntax of each module of the packages that has one of the words."""
    for folder in sorted((ROOT / "packages").glob("*/src")):
        for path in sorted(folder.rglob("*.py")):
            text = path.read_text()
            if any(word in text for word in words):  # To parse all of them takes seconds.
                module = path.relative_to(folder).with_suffix("")
                yield ".".join(module.parts), ast.parse(text)


def calls(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func)


@pytest.mark.own_transport
def test_nothing_from_the_wire_is_run() -> None:
    found: dict[str, set[str]] = {}
    for module, tree in sources(*WORDS):
        for name in calls(tree):
            name = "importlib.import_module" if "import_module" in name else name
            parts = name.split(".")
            if name == "re.compile" or not any(word in part for part in parts for word in WORDS):
                continue
            if parts[-1] in ("exec_module", "_compile", "compiled") or "codec" in name.lower():
                continue
            found.setdefault(name, set()).add(module)
    found = {name: modules for name, modules in found.items() if not is_our_own(name)}
    assert found == {name: set(modules) for name, modules in DANGEROUS.items()}


def is_our_own(name: str) -> bool:
    """Whether it is a function of RLMesh with a name that is like one of those."""
    return name.split(".")[-1].startswith(
        ("compile_", "_compile_", "evaluate", "_evaluate", "executes_")
    )


@pytest.mark.own_transport
def test_nothing_prints_but_the_command_line() -> None:
    printing = {module for module, tree in sources("print") if "print" in calls(tree)}
    printing = {module for module in printing if not module.startswith("rlmesh._cli.")}
    # A result that its user asks to print, and `progress=True`.
    assert printing <= {"rlmesh._reporting.table", "rlmesh._evaluation.progress_report"}


@pytest.mark.own_transport
def test_every_log_is_of_rlmesh() -> None:
    for module, tree in sources("getLogger"):
        names = [
            node.args[0].value
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and ast.unparse(node.func) == "logging.getLogger"
            and isinstance(node.args[0], ast.Constant)
        ]
        assert all(str(name).startswith("rlmesh.") for name in names), module


# The token.


@pytest.mark.own_transport
@pytest.mark.parametrize("method", ["Describe", "Shutdown", "Session"])
@pytest.mark.parametrize("shown", [None, "", "Bearer", "Bearer ", "Bearer wrong", SECRET, "ü"])
def test_no_method_answers_without_the_token(method: str, shown: str | None) -> None:
    options = ServeOptions(remote_shutdown=True)
    metadata = [] if shown is None else [("authorization", shown)]
    if shown == "ü":
        metadata = [("authorization-bin", shown.encode())]  # type: ignore[list-item]
    with (
        EnvServer(CounterEnv(), token=SECRET, options=options) as server,
        grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel,
    ):
        stub = env_pb2_grpc.EnvServiceStub(channel)
        with pytest.raises(grpc.RpcError) as caught:
            if method == "Describe":
                stub.Describe(env_pb2.DescribeRequest(), timeout=10, metadata=metadata)
            elif method == "Shutdown":
                stub.Shutdown(env_pb2.ShutdownRequest(), timeout=10, metadata=metadata)
            else:
                requests = iter([env_pb2.SessionRequest()])
                list(stub.Session(requests, timeout=10, metadata=metadata))
        assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED  # type: ignore[attr-defined]
        assert "CounterEnv" not in str(caught.value)
        assert not server.wait(0)


def test_the_token_is_shown_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    said = []
    with EnvServer(CounterEnv(), token=SECRET) as server:
        with RemoteEnv(server.address, token=SECRET) as remote:
            said += [repr(server), repr(remote), repr(remote.env_contract)]
            with pytest.raises(errors.BusyError) as busy:
                RemoteEnv(server.address, token=SECRET)
            said.append(str(busy.value))
        with pytest.raises(errors.AuthenticationError) as refused:
            RemoteEnv(server.address, token=SECRET + "x")
        said.append(str(refused.value))
    with pytest.raises(errors.ConnectError) as gone:
        RemoteEnv(server.address, token=SECRET, connect_timeout=1)
    said.append(str(gone.value))
    assert SECRET not in "".join(said) + caplog.text


@pytest.mark.over_grpc
def test_the_token_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[tuple[bytes, bytes]] = []

    class Bytes(bytes):
        """A token that nothing else may compare."""

        def __eq__(self, other: object) -> bool:
            raise AssertionError("compared byte by byte")

        __hash__ = bytes.__hash__

    def compare(shown: bytes, token: bytes) -> bool:
        compared.append((shown, token))
        return bytes(shown) == bytes(token)

    monkeypatch.setattr("rlmesh._transport.token.hmac.compare_digest", compare)
    with EnvServer(CounterEnv(), token=SECRET) as server:
        handler = call_handler_of(server)
        handler._token = Bytes(handler._token)
        with pytest.raises(errors.AuthenticationError):
            RemoteEnv(server.address, token="s3")
        RemoteEnv(server.address, token=SECRET).close()
    shown = [bytes(pair[0]) for pair in compared]
    assert shown[0] == b"s3"
    assert SECRET.encode() in shown


@pytest.mark.own_transport
@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_the_scheme_is_compared_without_case(scheme: str) -> None:
    with (
        EnvServer(CounterEnv(), token=SECRET) as server,
        grpc.insecure_channel(server.address.removeprefix("tcp://")) as channel,
    ):
        stub = env_pb2_grpc.EnvServiceStub(channel)
        shown = [("authorization", f"{scheme} {SECRET}")]
        told = stub.Describe(env_pb2.DescribeRequest(), timeout=10, metadata=shown)
        assert told.contract.id == "CounterEnv"


@pytest.mark.parametrize("token", ["with space", "ümlaut", "line\n", "x" * 4097])
def test_a_token_that_cannot_travel_is_refused(token: str) -> None:
    with pytest.raises(ValueError, match="visible ASCII") as caught:
        EnvServer(CounterEnv(), token=token)
    assert token not in str(caught.value)
    with EnvServer(CounterEnv()) as server, pytest.raises(ValueError, match="visible ASCII"):
        RemoteEnv(server.address, token=token)


# The details of a fault that clients get.


class Faulty(CounterEnv):
    def reset(self, seed: Any = None, options: Any = None) -> Any:
        raise LookupError("no such task")

    def render(self) -> Any:
        return object()


def failing() -> Any:
    raise LookupError("no simulator")


PATHS = (str(ROOT), "site-packages", os.sep + "python3", '.py"', ".py:")


def told(error: BaseException) -> str:
    facts = vars(error)
    return f"{error!r} {error} {facts}"


@pytest.mark.parametrize("workers", [None, "thread", "process"])
def test_no_traceback_and_no_path_leaves_a_server_that_does_not_tell(workers: Any) -> None:
    options = ServeOptions(expose_tracebacks=False, call_timeout=5 * (workers == "process"))
    serving: dict[str, Any] = {"env": Faulty()}
    if workers is not None:
        serving = {"factory": Faulty, "workers": workers, "max_sessions": 2}
    words = []
    with EnvServer(**serving, options=options) as server, RemoteEnv(server.address) as remote:
        for call in (remote.reset, remote.render, lambda: remote.call("reset")):
            with pytest.raises((errors.RemoteError, errors.InvalidValueError)) as caught:
                call()
            words.append(told(caught.value))
            assert not getattr(caught.value, "remote_traceback", "")
    assert "no such task" in words[0]
    assert not [path for path in PATHS if path in "".join(words)], words


@pytest.mark.parametrize("workers", ["thread", "process"])
def test_a_factory_that_fails_tells_no_path_either(workers: Any) -> None:
    made = iter([CounterEnv])

    def factory() -> Any:
        return next(made)() if workers == "thread" else failing()

    options = ServeOptions(expose_tracebacks=False)
    with (
        pytest.raises(errors.EnvError) as caught,
        EnvServer(factory=factory, workers=workers, options=options) as server,
    ):
        RemoteEnv(server.address).close()
        RemoteEnv(server.address)
    assert not caught.value.remote_traceback
    assert not [path for path in PATHS if path in told(caught.value)]


def test_a_dead_process_tells_no_path() -> None:
    options = ServeOptions(expose_tracebacks=False)
    factory = functools.partial(MischiefEnv)
    with (
        EnvServer(factory=factory, workers="process", options=options) as server,
        RemoteEnv(server.address) as remote,
    ):
        with pytest.raises(errors.EnvCrashedError) as caught:
            remote.step(MischiefEnv.TROUBLES.index("segfault"))
        assert not [path for path in PATHS if path in told(caught.value)]


@pytest.mark.parametrize(
    ("address", "tells"), [("127.0.0.1:0", True), ("unix", True), ("0.0.0.0:0", False)]
)
@pytest.mark.filterwarnings("ignore:.*can be reached from other hosts")
def test_tracebacks_are_told_on_this_host_alone(address: str, tells: bool, tmp_path: Path) -> None:
    where = f"unix://{tmp_path}/env.sock" if address == "unix" else address
    with EnvServer(ScriptedEnv(LookupError("no")), where) as server:
        reached = server.address.replace("0.0.0.0", "127.0.0.1")
        with RemoteEnv(reached) as remote, pytest.raises(errors.EnvError) as caught:
            remote.step(0)
        assert bool(caught.value.remote_traceback) == tells


# Warnings.


@pytest.mark.own_transport
@pytest.mark.parametrize(("host", "token", "warned"), [("0.0.0.0", "", 1), ("0.0.0.0", "t", 0)])
def test_a_server_that_others_reach_warns(host: str, token: str, warned: int) -> None:
    import warnings

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        EnvServer(CounterEnv(), host=host, token=token).shutdown()
    assert len([w for w in caught if "can be reached from other hosts" in str(w.message)]) == warned


# Sizes.


@pytest.mark.over_grpc
@pytest.mark.every_transport
def test_a_request_over_the_limit_is_refused_and_the_server_lives_on() -> None:
    with EnvServer(CounterEnv()) as server:
        unlimited = [("grpc.max_send_message_length", -1)]
        address = server.address.removeprefix("tcp://")
        with grpc.insecure_channel(address, unlimited) as channel:
            session: Any = channel.stream_stream("/rlmesh.proto.env.v1.EnvService/Session")
            with pytest.raises(grpc.RpcError) as caught:
                list(session(iter([bytes(MAX_MESSAGE_BYTES + 1)]), timeout=60))
            code = caught.value.code()  # type: ignore[attr-defined]
            assert code is grpc.StatusCode.RESOURCE_EXHAUSTED
        with RemoteEnv(server.address) as remote:
            assert remote.reset()[0] == 0


def test_a_client_that_sends_its_token_in_clear_warns() -> None:
    with (
        pytest.warns(RuntimeWarning, match="unencrypted"),
        pytest.raises((errors.ConnectError, errors.AddressError)),
    ):
        RemoteEnv("tcp://host.invalid:5555", token=SECRET, connect_timeout=0.2)
