"""The settings of a run: recorded, compared when a run is resumed, and the same in each process."""

from __future__ import annotations

import pickle
import socket
import sys
from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

import rlmesh
from rlmesh._cli.command_line import without_secrets
from rlmesh._evaluation.run_settings import stable_text
from rlmesh._evaluation.settings import Settings
from rlmesh._journal import Journal
from rlmesh._models.evaluate import evaluate_with
from rlmesh._wire.run_settings import model_digest, tags_digest
from rlmesh.adapters import (
    DELEGATED,
    EnvTags,
    Feature,
    MeanStd,
    ModelInput,
    ModelOutput,
    ModelSpec,
    TaggedLeaf,
)
from rlmesh.errors import JournalError, RunError
from rlmesh.results import RunResult, RunSettings, TaskSettings
from rlmesh.results._frozen_mapping import FrozenMapping
from rlmesh.spaces import Box, Discrete
from rlmesh.specs import EnvContract

CONTRACT = EnvContract("A-v0", Box(-1, 1, (3,), "float32"), Discrete(2))
TAGS = EnvTags((TaggedLeaf((), Feature("state", element_names=("x", "y", "z"))),))


class Walk:
    """Three steps an episode."""

    observation_space = Discrete(9)
    action_space = Discrete(2)

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.count = 0
        return 0, {}

    def step(self, action: Any) -> Any:
        self.count += 1
        return self.count, 1.0, self.count == 3, False, {}

    def close(self) -> None: ...


class Other(Walk):
    """The same environment with one more observation."""

    observation_space = Discrete(10)
    spec = type("Spec", (), {"id": "Walk"})


class Tagged(Walk):
    """The environment with numbers and tags."""

    observation_space = Box(-1, 1, (1,), "float32")

    def reset(self, seed: Any = None, options: Any = None) -> Any:
        self.count = 0
        return [0.5], {}

    def step(self, action: Any) -> Any:
        return ([0.5], *super().step(action)[1:])


class Chunks:
    """A model with chunks of two actions."""

    def __init__(self, **options: Any) -> None:
        self.options = options

    def predict_chunk(self, observation: Any) -> Any:
        return (1, 1)


class Loaded(rlmesh.Model):
    """A model that is loaded with arguments."""

    def predict(self, observation: Any) -> Any:
        return 1


class Stop:
    """Interrupts the run after its first episode."""

    def on_episode_end(self, event: Any) -> None:
        raise KeyboardInterrupt


def play(path: Path, model: Any = None, env: Any = None, **changes: Any) -> RunResult:
    arguments = {"seeds": [0, 1, 2], "journal": path, **changes}
    return rlmesh.evaluate(model or rlmesh.Model(Chunks()), env or Walk(), **arguments)


@pytest.fixture
def begun(tmp_path: Path) -> Path:
    """The journal of a run of three episodes that was interrupted after one."""
    path = tmp_path / "run.journal"
    with pytest.raises(KeyboardInterrupt):
        play(path, hooks=Stop())
    return path


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"execution_horizon": 2}, "execution_horizon: expected 2, got None"),
        ({"max_batch_size": 1}, "max_batch_size: expected 1, got None"),
        ({"max_episode_steps": 2}, "max_episode_steps: expected 2, got None"),
        ({"max_episode_seconds": 9.5}, "max_episode_seconds: expected 9.5, got None"),
        ({"run_id": "step 2000"}, "run_id: expected 'step 2000', got ''"),
        (
            {"model": rlmesh.Model(Chunks(), spec=DELEGATED)},
            "model_digest: expected '[0-9a-f]{64}', got '[0-9a-f]{64}'",
        ),
        (
            {"model": rlmesh.Model(Chunks(), load_kwargs={"checkpoint": "b.pt"})},
            r"load_arguments: 'checkpoint': expected \"'b\.pt'\", got None",
        ),
        ({"env": Other()}, "spaces_digest: expected '[0-9a-f]{64}', got "),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_a_resumed_run_has_the_settings_of_the_journal(
    begun: Path, changes: dict[str, Any], words: str
) -> None:
    data = begun.read_bytes()
    with pytest.raises(JournalError, match=f"another run: .*{words}.*; use another journal, or"):
        play(begun, resume=True, **changes)
    assert begun.read_bytes() == data
    assert len(play(begun, resume=True).episodes) == 3


def test_a_resumption_that_is_forced_is_told_in_every_result(begun: Path) -> None:
    result = play(begun, resume=True, force_resume=True, max_episode_steps=2, run_id="b")
    told = ("max_episode_steps: expected 2, got None", "run_id: expected 'b', got ''")
    assert [e.steps for e in result.episodes] == [3, 2, 2]
    assert result.resume_differences == told
    assert result.settings.max_episode_steps == 2
    assert RunResult.from_journal(begun).resume_differences == told
    assert RunResult.from_bytes(result.to_bytes()) == result
    # Resumed as it was begun: the episodes are still of two configurations.
    again = play(begun, resume=True)
    assert again.resume_differences == told
    size = begun.stat().st_size
    play(begun, resume=True, force_resume=True, max_episode_steps=2)
    assert begun.stat().st_size == size  # Differences that the journal has are not repeated.


def test_equal_settings_need_no_force_and_tell_nothing(begun: Path) -> None:
    assert play(begun, resume=True, force_resume=True).resume_differences == ()


def test_force_needs_a_run_to_resume() -> None:
    with pytest.raises(ValueError, match="force_resume=True needs resume=True"):
        rlmesh.evaluate(rlmesh.Model(Chunks()), Walk(), force_resume=True)
    with pytest.raises(TypeError, match="a str as run_id, got int"):
        rlmesh.evaluate(rlmesh.Model(Chunks()), Walk(), run_id=7)  # type: ignore[arg-type]


def test_the_plan_of_the_adapter_is_a_setting(tmp_path: Path) -> None:
    pytest.importorskip("rlmesh_numpy")
    from rlmesh.numpy import Model

    def model(*mean: float) -> Any:
        normal = MeanStd(mean, (2.0,) * len(mean))
        state = ModelInput("", Feature("state"), normalization=normal)
        return Model(lambda _: 1, spec=ModelSpec("m", (state,), (ModelOutput("", Feature("go")),)))

    tags = EnvTags((TaggedLeaf((), Feature("state")),), (TaggedLeaf((), Feature("go")),))
    with rlmesh.EnvServer(Tagged(), "127.0.0.1:0", tags=tags) as server:
        result = play(tmp_path / "j", model(0.0), server)
        with pytest.raises(JournalError, match=r"adapter_plan: expected .*mean.* in line 0, got"):
            play(tmp_path / "j", model(1.0), server, resume=True)
    (observed, acted) = result.settings.adapter_plan.splitlines()
    assert observed.startswith("observation -> calculate_in(dtype='float32') -> standardize(mean=")
    assert observed.endswith("-> inputs['']")
    assert acted == "outputs[''] -> cast(dtype='int64') -> action"
    assert result.settings.tags_digest == tags_digest(tags)


def test_an_instruction_is_compared_as_before(begun: Path) -> None:
    class Told:
        def predict(self, observation: Any, context: Any) -> int:
            return 1

    with pytest.raises(JournalError, match=r"model_id: .*; instruction: expected 'go', got None"):
        play(begun, Told(), resume=True, instruction="go")


def test_the_settings_of_a_run(tmp_path: Path) -> None:
    model = Loaded(None, load_kwargs={"path": Path("a/b"), "n": 3}, artifacts=["w.pt"])
    result = play(tmp_path / "j", model, max_episode_steps=2, run_id="r1")
    found = result.settings
    assert (found.max_episode_steps, found.seeded, found.run_id) == (2, True, "r1")
    assert found.load_arguments == {"path": "'a/b'", "n": "3", "artifacts": "['w.pt']"}
    assert found.validation == ("warn",)
    assert found.model_digest == model_digest(model.model_spec)
    assert found.versions["rlmesh"] == rlmesh.__version__
    assert found.versions["python"] == ".".join(map(str, sys.version_info[:3]))
    assert (found.env_servers, found.model_server, found.command) == ((), "", ())
    assert found.hosts == (socket.gethostname(),)
    assert (found.env_hosts, found.model_hosts) == ((), ())
    assert RunResult.from_journal(tmp_path / "j").settings == found
    assert not rlmesh.evaluate(model, Walk()).settings.seeded


def test_arguments_with_the_name_of_a_secret_are_hidden() -> None:
    secrets = {"api_key": "a", "hf_token": "b", "Password": "c", "client_secret": "d"}
    model = Loaded(None, load_kwargs={**secrets, "path": "e", "tokenizer": "f"})
    found = rlmesh.evaluate(model, Walk()).settings.load_arguments
    assert found == {**dict.fromkeys(secrets, "***"), "path": "'e'", "tokenizer": "'f'"}


def test_an_endpoint_in_another_process_is_named() -> None:
    with rlmesh.EnvServer(Walk(), "127.0.0.1:0") as server:
        with rlmesh.RemoteEnv(server.address, validation="strict") as client:
            found = rlmesh.evaluate(lambda _: 1, client).settings
        with rlmesh.ModelServer(rlmesh.Model(lambda _: 1), "127.0.0.1:0") as served:
            remote = rlmesh.evaluate(served.address, server.address).settings
    # The servers run in this process.
    software = {name: v for name, v in found.versions.items() if name != "rlmesh"}
    versions = ", ".join(f"{name} {version}" for name, version in sorted(software.items()))
    ours = f"rlmesh-core/{rlmesh.__version__} ({versions})"
    assert f"python {software['python']}" in ours
    assert (found.validation, found.env_servers) == (("strict",), (ours,))
    assert (remote.validation, remote.model_server) == (("warn",), ours)
    here = (socket.gethostname(),)
    assert (found.hosts, found.env_hosts, found.model_hosts) == (here, here, ())
    assert (remote.hosts, remote.env_hosts, remote.model_hosts) == (here, here, here)


def test_a_served_model_and_the_same_one_here_have_one_digest() -> None:
    model = rlmesh.Model(lambda _: 1, spec=ModelSpec(id="m"))
    with (
        rlmesh.ModelServer(model, "127.0.0.1:0") as server,
        rlmesh.RemoteModel(server.address) as remote,
    ):
        assert model_digest(remote.model_spec) == model_digest(model.model_spec)


def test_the_command_line_is_kept_without_its_secrets() -> None:
    words = ["rlmesh", "eval", "--token", "s1", "m:f", "--model-token=s2", "--seeds", "0:3"]
    words += ["--model-kwargs", '{"api_key": "s3"}']
    assert without_secrets(words) == (
        *("rlmesh", "eval", "--token", "***", "m:f", "--model-token=***", "--seeds", "0:3"),
        *("--model-kwargs", "***"),
    )
    settings = Settings(command=("rlmesh", "eval"), load_arguments={"n": 1})
    found = evaluate_with(lambda _: 1, Walk(), settings).settings
    assert (found.command, found.load_arguments) == (("rlmesh", "eval"), {"n": "1"})


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [1.5, None, True]}, "{'a': [1.5, None, True], 'b': 1}"),
        ({3, 1, 2}, "{1, 2, 3}"),
        (Path("a"), "'a'"),
        (b"x", "b'x'"),
        (object(), "<builtins.object>"),
        (Walk, f"<{__name__}.Walk>"),
    ],
)
def test_texts_of_arguments_have_no_address_in_memory(value: Any, text: str) -> None:
    assert stable_text(value) == text


def test_settings_that_are_only_recorded_are_not_compared() -> None:
    one = RunSettings(versions={"python": "3.10"}, command=("a",), env_servers=("x",))
    assert list(one.differences(RunSettings(model_server="y", hosts=("b",)))) == []
    compared = {f.name for f in fields(RunSettings)} - {
        *("versions", "command", "env_servers", "model_server", "tasks"),
        *("hosts", "env_hosts", "model_hosts", "adapter_advisories"),
    }
    for name in compared:
        value: Any = getattr(RunSettings(), name)
        kinds = {tuple: ("x",), str: "x", bool: True, FrozenMapping: {"x": "y"}}
        changed = RunSettings(**{name: kinds.get(type(value), 1)})
        (text,) = changed.differences(RunSettings())
        assert text.startswith(f"{name}: ")


def test_tasks_are_compared_by_name_and_then_field_by_field() -> None:
    one = RunSettings(tasks=(TaskSettings("lift", episodes=3), TaskSettings("push")))
    other = RunSettings(tasks=(TaskSettings("lift"), TaskSettings("push", tags_digest="a")))
    assert list(one.differences(other)) == [
        "task 'lift': episodes: expected 3, got 0",
        "task 'push': tags_digest: expected '', got 'a'",
    ]
    assert list(one.differences(RunSettings(tasks=one.tasks[:1]))) == [
        "tasks: expected ['lift', 'push'], got ['lift']"
    ]


def test_long_values_are_compared_by_their_first_difference() -> None:
    one = RunSettings(adapter_plan="a\nb\nc", load_arguments={"x": "1" * 500})
    other = RunSettings(adapter_plan="a\nz\nc", load_arguments={"x": "2"})
    plan, arguments = sorted(one.differences(other))
    assert plan == "adapter_plan: expected 'b' in line 1, got 'z'"
    assert arguments.startswith("load_arguments: 'x': expected '111") and len(arguments) < 300


def test_a_frozen_mapping() -> None:
    given = {"b": 1, "a": 2}
    frozen: Mapping[str, int] = FrozenMapping(given)
    given["b"] = 5
    assert frozen == {"a": 2, "b": 1} and frozen != given
    assert hash(frozen) == hash(FrozenMapping({"a": 2, "b": 1}))
    assert pickle.loads(pickle.dumps(frozen)) == frozen and repr(frozen) == "{'b': 1, 'a': 2}"
    with pytest.raises(TypeError):
        frozen["c"] = 1  # type: ignore[index]


def test_a_second_run_of_one_journal_is_refused(begun: Path) -> None:
    with Journal.open(begun), pytest.raises((JournalError, RunError), match="is open already"):
        play(begun, resume=True)
    assert len(play(begun, resume=True).episodes) == 3


def test_what_an_adapter_assumes_is_in_the_result() -> None:
    pytest.importorskip("rlmesh_numpy")
    from rlmesh.numpy import Model

    class Own(Tagged):
        rlmesh_tags = EnvTags((TaggedLeaf((), Feature("x")),), (TaggedLeaf((), Feature("y")),))

    unit = ModelInput("x", Feature("x", unit="m"))
    absent = ModelInput("z", Feature("z"), optional=True)
    spec = ModelSpec(inputs=(unit, absent), outputs=(ModelOutput("", Feature("y")),))
    model = Model(lambda _: 0, spec=spec)
    results = [rlmesh.evaluate(model, envs, seeds=[0]) for envs in (Own(), {"a": [Own()]})]
    run, suite = (result.settings.adapter_advisories for result in results)
    assert [result.warnings for result in results] == [{"adapter_caution": 1}] * 2
    assert run == (
        "caution: inputs['z']: left out: the environment has no such feature",
        "info: inputs['x']: assumed: the environment does not specify the unit of 'x'",
    )
    assert suite == tuple(f"a: {text}" for text in run)


def test_a_caution_of_an_adapter_is_counted_once_if_a_run_is_resumed(tmp_path: Path) -> None:
    pytest.importorskip("rlmesh_numpy")
    from rlmesh.numpy import Model

    class Own(Tagged):
        rlmesh_tags = EnvTags((TaggedLeaf((), Feature("x")),), (TaggedLeaf((), Feature("y")),))

    absent = ModelInput("z", Feature("z"), optional=True)
    seen = ModelInput("x", Feature("x"))
    spec = ModelSpec(inputs=(seen, absent), outputs=(ModelOutput("", Feature("y")),))
    journal = tmp_path / "j"
    for resume in (False, True):
        model = Model(lambda _: 0, spec=spec)
        run = rlmesh.evaluate(model, Own(), seeds=[0, 1], journal=journal, resume=resume)
        assert run.warnings == {"adapter_caution": 1}
    assert RunResult.from_journal(journal).warnings == {"adapter_caution": 1}
