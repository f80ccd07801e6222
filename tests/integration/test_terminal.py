"""Texts from the wire move no cursor and begin no line of a log (Y-10)."""

from __future__ import annotations

import ast
import logging
import warnings
from typing import Any

import pytest

from rlmesh import EnvServer, RemoteEnv, errors
from rlmesh._logs import Lines, logger, warn
from rlmesh.spaces import Dict, Discrete
from tests.integration.cli_processes import COMMAND
from tests.integration.envs import CounterEnv
from tests.integration.test_security import sources
from tests.processes import finished, running

HOSTILE = "\x1b[31m\x1b]0;title\x07red\r\n2026-01-01 INFO forged \x9b2J"
FORGED = "2026-01-01 INFO forged"


@pytest.fixture(autouse=True)
def transport() -> str:
    """The transport makes no difference here."""
    return "grpc"


class HostileEnv(CounterEnv):
    """Its errors, infos and names have control characters."""

    def step(self, action: Any) -> Any:
        raise LookupError(HOSTILE)

    def close(self) -> None:
        raise LookupError(HOSTILE)


def is_clean(text: str) -> bool:
    lines = text.splitlines()
    return not any(c in text for c in "\x1b\x07\r\x9b") and not any(
        line.startswith(FORGED) for line in lines
    )


def test_what_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    log = logger("rlmesh.server")
    assert logger("rlmesh.server") is log
    assert len(log.filters) == 1
    log.warning("of %s: %r, %d, %.1f", HOSTILE, HOSTILE, 3, 2.5)
    log.error("closing failed: %s\n%s", HOSTILE, Lines(f"Traceback\n{FORGED}"))
    try:
        raise LookupError(HOSTILE)
    except LookupError as error:
        log.exception("it failed: %s", error)
    assert caplog.text.count("forged") == 6
    assert is_clean(caplog.text), caplog.text


def test_what_is_warned_of() -> None:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn(HOSTILE, RuntimeWarning, stacklevel=1)
    assert is_clean(str(caught[0].message))
    assert caught[0].filename == __file__


def test_what_an_error_says() -> None:
    for error in (
        errors.EnvError(HOSTILE, remote_traceback=HOSTILE),
        errors.ModelError(HOSTILE),
        errors.BusyError(HOSTILE),
        errors.ConnectionLostError(HOSTILE, address="tcp://x"),
        errors.CodecError("x", path=HOSTILE),
    ):
        assert not any(c in str(error) for c in "\x1b\x07\r\x9b")
    assert errors.EnvError(HOSTILE).message == HOSTILE  # As data it is what came.
    assert str(errors.EnvError("two\nlines\tü")) == "two\nlines\tü"


def test_a_clients_name_forges_no_line(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "rlmesh.server")
    for module in ("env_stub", "model_stub"):
        monkeypatch.setattr(f"rlmesh._client.{module}.client_name", lambda: HOSTILE)
    with EnvServer(HostileEnv()) as server:
        with pytest.raises(errors.EnvError), RemoteEnv(server.address) as remote:
            remote.step(0)
        del remote
    assert "forged" in caplog.text
    assert is_clean(caplog.text), caplog.text


def test_a_servers_keys_and_id_move_no_cursor() -> None:
    class Keyed(CounterEnv):
        observation_space = Dict({HOSTILE: Discrete(3)})  # type: ignore[assignment]

        def reset(self, seed: Any = None, options: Any = None) -> Any:
            return {HOSTILE: 7}, {HOSTILE: object()}

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        with (
            pytest.raises(errors.RLMeshError) as told,
            EnvServer(Keyed()) as server,
            RemoteEnv(server.address) as remote,
        ):
            remote.reset()
    assert not any(c in str(told.value) for c in "\x1b\x07\r\x9b")
    assert all(is_clean(str(warning.message)) for warning in caught)


@pytest.mark.parametrize(
    "arguments",
    [
        ["eval", "random", "ADDRESS", "--seeds", "1"],
        ["inspect", "ADDRESS"],
        ["play", "ADDRESS", "--steps", "2"],
        ["bench", "ADDRESS", "--steps", "2"],
    ],
)
def test_the_command_line_prints_no_escape(arguments: list[str]) -> None:
    serve = [*COMMAND, "serve", f"{__name__}:HostileEnv"]
    with running(serve) as server:
        address = server.wait_for(r"serving \S+ on (\S+)\n").group(1)
        done = finished([*COMMAND, *(address if a == "ADDRESS" else a for a in arguments)])
        assert is_clean(done.stdout), done.stdout
        assert is_clean(done.stderr), done.stderr
        assert is_clean(server.errors), server.errors


def test_there_is_one_place_for_it() -> None:
    found = {
        (module, ast.unparse(node.func))
        for module, tree in sources("getLogger", "warn")
        for node in ast.walk(tree)
        if isinstance(node, ast.Call)
        and ast.unparse(node.func) in ("logging.getLogger", "warnings.warn")
    }
    # `_log_output` writes the records of others.
    assert {module for module, _ in found} == {"rlmesh._logs", "rlmesh._log_output"}
