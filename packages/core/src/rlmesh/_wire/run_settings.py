"""RunSettings <-> its message, and the digests that it has."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from rlmesh_proto.adapters.v1 import tags_pb2
from rlmesh_proto.env.v1 import contract_pb2
from rlmesh_proto.eval.v1 import result_pb2
from rlmesh_proto.model.v1 import spec_pb2

from rlmesh._wire.dynamic import DynamicEncoder
from rlmesh._wire.model_spec import model_spec_to_wire
from rlmesh._wire.spaces import space_to_wire
from rlmesh._wire.tags import tags_to_wire
from rlmesh.adapters import EnvTags, ModelSpec
from rlmesh.backends import NATIVE
from rlmesh.results import RunSettings, TaskSettings
from rlmesh.specs import EnvContract

__all__ = [
    "digest",
    "model_digest",
    "settings_from_wire",
    "settings_to_wire",
    "spaces_digest",
    "tags_digest",
    "unsigned",
    "utf8_text",
]

_LIMITS = ("execution_horizon", "max_batch_size", "max_episode_steps")
_DIGESTS = ("model_digest", "spaces_digest", "tags_digest")
_GIVEN_TEXTS = ("run_id", "success", "success_key", "until", "acting")
_TEXTS = (*_GIVEN_TEXTS, *_DIGESTS, "adapter_plan", "model_server")
_TASK_TEXTS = ("name", "env_id", "episodes_digest", *_DIGESTS[1:], "adapter_plan")
_LISTS = (
    *("validation", "env_servers", "hosts", "env_hosts", "model_hosts", "command"),
    "adapter_advisories",
)
_MAPPINGS = ("load_arguments", "versions")


def settings_to_wire(settings: RunSettings, out: result_pb2.RunSettings) -> None:
    """Write settings into `out`.

    Raises:
        ValueError: If a number does not fit its field.
    """
    out.SetInParent()
    for name in _LIMITS:
        if (limit := getattr(settings, name)) is not None:
            setattr(out, name, unsigned(limit, f"settings.{name}"))
    if settings.max_episode_seconds is not None:
        out.max_episode_seconds = settings.max_episode_seconds
    out.seeded = settings.seeded
    for name in _TEXTS:
        setattr(out, name, utf8_text(getattr(settings, name)))
    for name in _LISTS:
        getattr(out, name).extend(map(utf8_text, getattr(settings, name)))
    for name in _MAPPINGS:
        for key, value in getattr(settings, name).items():
            getattr(out, name)[utf8_text(key)] = utf8_text(value)
    for i, task in enumerate(settings.tasks):
        written = out.tasks.add()
        written.episodes = unsigned(task.episodes, f"settings.tasks[{i}].episodes")
        for name in _TASK_TEXTS:
            setattr(written, name, utf8_text(getattr(task, name)))


def settings_from_wire(message: result_pb2.RunSettings) -> RunSettings:
    """Return the settings of a message; those of an absent message are the defaults."""
    facts: dict[str, Any] = {"seeded": message.seeded}
    is_set: Callable[[Any], bool] = message.HasField
    for name in (*_LIMITS, "max_episode_seconds"):
        facts[name] = getattr(message, name) if is_set(name) else None
    facts.update((name, getattr(message, name)) for name in _TEXTS)
    facts.update((name, tuple(getattr(message, name))) for name in _LISTS)
    facts.update((name, dict(getattr(message, name))) for name in _MAPPINGS)
    facts["tasks"] = tuple(
        TaskSettings(episodes=task.episodes, **{name: getattr(task, name) for name in _TASK_TEXTS})
        for task in message.tasks
    )
    return RunSettings(**facts)


# Digests (T-7). Fields that may differ between two runs of the same model are cleared before.


def model_digest(spec: ModelSpec) -> str:
    """Return the digest of a model's spec, without its spec version and its metadata.

    Raises:
        CodecError: If the spec breaks a rule of the contract.
    """
    message = spec_pb2.ModelSpec()
    # The server of a model adds metadata, so that the digest of a served model would differ.
    plain = replace(spec, spec_version="", metadata={})
    model_spec_to_wire(plain, message, DynamicEncoder(NATIVE))
    return digest(message)


def spaces_digest(contract: EnvContract) -> str:
    """Return the digest of an EnvContract with its two spaces alone."""
    message = contract_pb2.EnvContract()
    space_to_wire(contract.observation_space, message.observation_space)
    space_to_wire(contract.action_space, message.action_space)
    return digest(message)


def tags_digest(tags: EnvTags | None) -> str:
    """Return the digest of an environment's tags; empty if it has none."""
    if tags is None:
        return ""
    message = tags_pb2.EnvTags()
    tags_to_wire(tags, message)
    return digest(message)


def digest(message: Any) -> str:
    """Return the digest of a message (T-7)."""
    # Fields are written in the order of their numbers and maps sorted by their keys, which is one
    # form of the bytes for each value as long as no field is unknown; none is in our own message.
    return hashlib.sha256(message.SerializeToString(deterministic=True)).hexdigest()


def unsigned(number: int, path: str) -> int:
    """Return a number that fits a field of type uint64.

    Raises:
        ValueError: If it does not fit; the message has the path.
    """
    if not 0 <= number < 2**64:
        raise ValueError(f"{path}: expected 0 to 2**64 - 1, got {number}")
    return int(number)


def utf8_text(text: str) -> str:
    """Return a text with what UTF-8 cannot encode escaped by backslashes."""
    return text.encode("utf-8", "backslashreplace").decode()
