"""`RunSettings`: what the score of a run depends on, and what the run was played with."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields

from rlmesh.results._differences import field_differences
from rlmesh.results._frozen_mapping import EMPTY, FrozenMapping

__all__ = ["ANY", "FIRST", "HIDDEN", "LAST", "UNKNOWN_SETTINGS", "RunSettings", "TaskSettings"]

LAST = "last"
"""The success rule by which the info of the last step counts; the default."""

ANY = "any"
"""The success rule by which an episode succeeds if the info of any step reports success."""

FIRST = "first"
"""The success rule by which the first info that reports success or failure counts."""

_RECORDED = frozenset(
    (
        *("versions", "env_servers", "model_server", "hosts", "env_hosts", "model_hosts"),
        *("adapter_advisories", "command"),
    )
)
"""Fields that do not decide whether a run may be resumed: another version of a library would
otherwise discard the finished episodes."""


@dataclass(frozen=True)
class TaskSettings:
    """What one task of a suite was played with.

    Attributes:
        name: Name of the task.
        env_id: Id of the environment's contract.
        episodes: Number of its episodes.
        episodes_digest: Digest of the seeds, options and instructions of its episodes (CONTRACT.md,
            T-10); empty: not known, such as after a merge of different parts.
        spaces_digest: As in `RunSettings`.
        tags_digest: As in `RunSettings`.
        adapter_plan: As in `RunSettings`.
    """

    name: str
    env_id: str = ""
    episodes: int = 0
    episodes_digest: str = ""
    spaces_digest: str = ""
    tags_digest: str = ""
    adapter_plan: str = ""


@dataclass(frozen=True)
class RunSettings:
    """What the score of a run depends on, and what the run was played with.

    The instruction is `RunResult.instruction`. A digest is the SHA-256, in hexadecimal, of the
    message of CONTRACT.md, T-7; it is the same in every process and on every platform.

    Attributes:
        execution_horizon: Number of actions of each chunk that are taken before the model is asked
            again; None: not given.
        max_batch_size: Largest number of observations of one forward pass; None: no limit.
        max_episode_steps: Number of steps after which an episode is cut; None: no limit.
        max_episode_seconds: Seconds after which an episode is cut; None: no limit.
        seeded: Whether the run was given seeds.
        validation: Levels of validation of the environments' clients, each once and sorted.
        run_id: Name that the user gave to the run, such as that of a checkpoint; empty: none.
        load_arguments: Arguments that the model was loaded with (`load_kwargs`, `artifacts` and the
            arguments of `rlmesh eval --model-kwargs`), as texts; "***" for a name that ends in key,
            token, secret or password.
        success: Rule of success: "last", "any" or "first" (the steps whose infos count), or
            "module:name" of a callable; empty: not known.
        success_key: Key of the infos that reports success; empty: "is_success", "success" or
            "task_success", the first one that an info has.
        model_digest: Digest of the model's spec, without its spec version and metadata.
        spaces_digest: Digest of the observation space and the action space.
        tags_digest: Digest of the environment's tags; empty: it has none.
        adapter_plan: How the adapter makes inputs and actions, one a line; empty: there is no
            adapter, or it cannot be resolved in this process.
        adapter_advisories: What the adapter substitutes, drops, fills or assumes, cautions first:
            "caution: ", the path, ": " and what; with the name of the task before it in a suite.
        versions: Versions of the software in the process of the evaluation, by name.
        env_servers: Implementations of the environments' servers with the versions of their
            software, each once and sorted: "rlmesh-core/1.0.0 (numpy 2.1.0, python 3.11.9)".
        model_server: The same of the model's server; empty: the model was not served.
        hosts: Names of the hosts that the evaluation ran on; several after `merge`. Of the
            environments, each episode has its `endpoint`.
        env_hosts: Names that the environments' servers state of themselves, each once and sorted;
            those of this implementation state the name of their host.
        model_hosts: The same of the model's server; empty: the model was not served.
        until: Rule by which the run stops early, in words; empty: there is none.
        acting: Way of acting, as `rlmesh.acting.read_acting` reads it; empty: the actions of a
            chunk one after another.
        tasks: The tasks of a suite, in the order of their episodes; `spaces_digest`, `tags_digest`
            and `adapter_plan` are then empty. Empty: the run is not one of a suite.
        command: Words of the command line, without secrets but with addresses; empty: the run was
            started by a program.
    """

    execution_horizon: int | None = None
    max_batch_size: int | None = None
    max_episode_steps: int | None = None
    max_episode_seconds: float | None = None
    seeded: bool = False
    validation: tuple[str, ...] = ()
    run_id: str = ""
    load_arguments: Mapping[str, str] = EMPTY
    success: str = ""
    success_key: str = ""
    until: str = ""
    acting: str = ""
    model_digest: str = ""
    spaces_digest: str = ""
    tags_digest: str = ""
    adapter_plan: str = ""
    adapter_advisories: tuple[str, ...] = ()
    versions: Mapping[str, str] = EMPTY
    env_servers: tuple[str, ...] = ()
    model_server: str = ""
    hosts: tuple[str, ...] = ()
    env_hosts: tuple[str, ...] = ()
    model_hosts: tuple[str, ...] = ()
    tasks: tuple[TaskSettings, ...] = ()
    command: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, Mapping):
                object.__setattr__(self, field.name, FrozenMapping(value))

    @property
    def cautions(self) -> int:
        """Number of `adapter_advisories` that are cautions."""
        starts = ("caution: ", *(f"{task.name}: caution: " for task in self.tasks))
        return sum(text.startswith(starts) for text in self.adapter_advisories)

    @property
    def success_words(self) -> str:
        """The rule of success for people: "any step's 'is_success'"; empty if it is not known."""
        if not self.success:
            return ""
        key = repr(self.success_key) if self.success_key else "success"
        words = {LAST: f"{key} at the last step", ANY: f"{key} at any step"}
        words[FIRST] = f"{key} at the first step that reports it"
        return words.get(self.success, self.success)

    def differences(self, other: RunSettings) -> Iterator[str]:
        """Yield a text for each field that differs and decides whether a run may be resumed."""
        yield from field_differences(self, other, (*_RECORDED, "tasks"))
        names = [task.name for task in self.tasks]
        others = [task.name for task in other.tasks]
        if names != others:
            yield f"tasks: expected {names}, got {others}"
        else:
            for task, one in zip(self.tasks, other.tasks):
                for text in field_differences(task, one, ()):
                    yield f"task {task.name!r}: {text}"


HIDDEN = "***"
"""Text in place of a secret."""

UNKNOWN_SETTINGS = RunSettings()
"""The settings of a run that was stored without settings."""
