"""`ServeOptions`: refused values, and the variables of the process."""

from __future__ import annotations

from typing import Any

import pytest

from rlmesh import ServeOptions


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"validation": "loud"}, "validation='loud' is not 'off', 'warn' or 'strict'"),
        ({"grace_period": 1e300}, "grace_period=1e.300; expected seconds, 0 or more, up to 1e9"),
        ({"max_batch_delay_ms": 1e300}, "expected milliseconds, 0 or more, up to 1e12"),
        ({"drain_timeout": -1}, "drain_timeout=-1; expected seconds, 0 or more"),
        ({"grace_period": float("nan")}, "grace_period=nan"),
        ({"idle_timeout": float("inf")}, "idle_timeout=inf"),
        ({"call_timeout": -0.1}, "call_timeout=-0.1"),
        ({"close_timeout": -1}, "close_timeout=-1"),
        ({"max_batch_size": 0}, "max_batch_size=0; expected a whole number, 1 or more"),
        ({"max_batch_size": 2.5}, "max_batch_size=2.5"),
        ({"max_batch_delay_ms": -1}, "max_batch_delay_ms=-1; expected milliseconds, 0 or more"),
        ({"websocket_port": 65_536}, "websocket_port=65536; expected 0 to 65535"),
        ({"websocket_origins": "https://a.example"}, "expected a list of origins"),
        ({"websocket_origins": ["https://a.example/"]}, "without a path"),
        ({"websocket_origins": ["a.example"]}, "scheme://host"),
        ({"websocket_origins": ["*"]}, "scheme://host"),
        ({"max_batch_delay_ms": float("inf")}, "max_batch_delay_ms=inf"),
    ],
)
def test_what_cannot_be_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ServeOptions(**given)


def test_every_option_has_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    said = {
        "VALIDATION": "strict",
        "EXPOSE_TRACEBACKS": "0",
        "REMOTE_SHUTDOWN": "true",
        "DRAIN_TIMEOUT": "1",
        "GRACE_PERIOD": "2",
        "IDLE_TIMEOUT": "3.5",
        "CALL_TIMEOUT": "4",
        "CLOSE_TIMEOUT": "5",
        "FRAMES": "false",
        "FRAMES_PORT": "6000",
        "WEBSOCKET_PORT": "6001",
        "WEBSOCKET_ORIGINS": "https://a.example, null",
        "SIM_TIME": "unwrapped.data.time",
        "MAX_BATCH_SIZE": "8",
        "MAX_BATCH_DELAY_MS": "1.5",
    }
    for name, text in said.items():
        monkeypatch.setenv(f"RLMESH_{name}", text)
    assert ServeOptions.from_environment() == ServeOptions(
        validation="strict",
        expose_tracebacks=False,
        remote_shutdown=True,
        drain_timeout=1,
        grace_period=2,
        idle_timeout=3.5,
        call_timeout=4,
        close_timeout=5,
        frames=False,
        frames_port=6000,
        websocket_port=6001,
        websocket_origins=("https://a.example", "null"),
        sim_time="unwrapped.data.time",
        max_batch_size=8,
        max_batch_delay_ms=1.5,
    )
    assert {name.lower() for name in said} == set(ServeOptions.__dataclass_fields__)
    assert ServeOptions() == ServeOptions(idle_timeout=0), "the constructor reads no variable"


def test_what_is_given_counts_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLMESH_GRACE_PERIOD", "2")
    assert ServeOptions.from_environment(grace_period=9.0).grace_period == 9


def test_without_variables_there_are_the_defaults(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RLMESH_GRACE_PERIOD", "")
    assert ServeOptions.from_environment() == ServeOptions()


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("GRACE_PERIOD", "long"),
        ("EXPOSE_TRACEBACKS", "maybe"),
        ("IDLE_TIMEOUT", "-1"),
        ("MAX_BATCH_SIZE", "2.5"),
    ],
)
def test_a_variable_that_says_nonsense_is_named(
    monkeypatch: pytest.MonkeyPatch, name: str, text: str
) -> None:
    monkeypatch.setenv(f"RLMESH_{name}", text)
    with pytest.raises(ValueError, match=f"(?i){name}='?{text}"):
        ServeOptions.from_environment()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("RLMESH_GRACEPERIOD", "did you mean RLMESH_GRACE_PERIOD?"),
        ("RLMESH_LOGFORMAT", "did you mean RLMESH_LOG_FORMAT?"),
        ("RLMESH_TOKEM", "did you mean RLMESH_TOKEN?"),
        ("RLMESH_Q", "there are RLMESH_VALIDATION, "),
    ],
)
def test_an_unknown_variable_is_warned_of(
    monkeypatch: pytest.MonkeyPatch, name: str, words: str
) -> None:
    for known in ("TOKEN", "MODEL_TOKEN", "TEST_SIZE"):
        monkeypatch.setenv(f"RLMESH_{known}", "long")
    ServeOptions.from_environment()
    monkeypatch.setenv(name, "s3cret")
    with pytest.warns(RuntimeWarning) as caught:
        ServeOptions.from_environment()
    (message,) = [str(warning.message) for warning in caught]
    assert f"the variable {name} has no effect; " in message and words in message
    assert "s3cret" not in message
    assert caught[0].filename == __file__
