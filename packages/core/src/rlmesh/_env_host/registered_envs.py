"""`RegisteredEnvs`: the ids that a process has registered with Gymnasium, for another process.

A program registers ids when it imports a package (`import ale_py`) or calls `gymnasium.register`. A
new process has done neither.
"""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

__all__ = ["RegisteredEnvs"]

_COME_BY_THEMSELVES = frozenset(("gymnasium", "rlmesh_numpy"))
"""Packages with ids of their own that every process registers in which Gymnasium is used."""

_ADVICE = (
    " The factory runs in a process of its own, which knows the ids that were registered in the "
    "server's process: import the module that registers it in the factory, or before the server "
    "is made"
)

MAX_REASONS = 3
"""Largest number of reasons in one error."""


@dataclass
class RegisteredEnvs:
    """The ids of one process, in a form that another process can register.

    Attributes:
        modules: Modules to import: those that have the classes of the ids.
        specs: Pickled `EnvSpec` of each id.
        missing: Reasons why the other process lacks ids.
        is_needed: Whether any id is registered by something other than Gymnasium.
    """

    modules: list[str] = field(default_factory=list)
    specs: dict[str, bytes] = field(default_factory=dict)
    missing: list[str] = field(default_factory=list)
    is_needed: bool = False

    @classmethod
    def of_this_process(cls, dumps: Callable[[Any], bytes]) -> RegisteredEnvs:
        """Return what this process has registered; nothing if it has not imported Gymnasium.

        Args:
            dumps: Pickles a spec.
        """
        found = cls()
        registration = sys.modules.get("gymnasium.envs.registration")
        if registration is None:
            return found
        modules: dict[str, None] = {}
        for env_id, spec in list(registration.registry.items()):
            entry = spec.entry_point or spec.vector_entry_point
            module = entry.partition(":")[0] if isinstance(entry, str) else _module_of(entry)
            if module.partition(".")[0] not in _COME_BY_THEMSELVES:
                found.is_needed = True
                modules.update(dict.fromkeys(_loaded(module)))
            try:
                found.specs[env_id] = dumps(spec)
            except Exception as error:
                found.missing.append(f"{env_id} cannot be sent to another process: {error}")
        found.modules = list(modules)
        return found

    def register(self) -> None:
        """Register the same ids in this process, and add to `missing` what cannot be."""
        if not (self.is_needed or "gymnasium" in sys.modules):
            return  # Importing Gymnasium takes longer than the rest of a process's start.
        # Modules first: if a spec made Gymnasium import them, each would warn that its ids exist.
        for module in self.modules:
            try:
                importlib.import_module(module)
            except (Exception, SystemExit) as error:
                self.missing.append(
                    f"the module {module!r} cannot be imported there: "
                    f"{type(error).__name__}: {error}"
                )
        try:
            registry = importlib.import_module("gymnasium.envs.registration").registry
        except ImportError as error:
            self.missing.append(str(error))
            return
        for env_id, packed in self.specs.items():
            try:
                registry[env_id] = pickle.loads(packed)
            except Exception as error:
                if env_id not in registry:
                    self.missing.append(f"{env_id} cannot be read there: {error}")

    def advice(self, error: BaseException) -> str:
        """Return what to do about an id that this process does not know; empty for other errors."""
        kinds = {f"{kind.__module__}.{kind.__name__}" for kind in type(error).__mro__}
        if "gymnasium.error.UnregisteredEnv" not in kinds:
            return ""
        left_out = len(self.missing) - MAX_REASONS
        reasons = self.missing[:MAX_REASONS] + [f"{left_out} more like these"] * (left_out > 0)
        return "; ".join((_ADVICE, *reasons))


def _module_of(entry: object) -> str:
    module = getattr(entry, "__module__", None)
    return module if isinstance(module, str) else ""


def _loaded(module: str) -> list[str]:
    """Return the module if this process has imported it, else the closest package that it has."""
    while module and module not in sys.modules:
        module = module.rpartition(".")[0]
    # The program itself is not imported again: its ids come as specs.
    return [] if module in ("", "__main__", "__mp_main__") else [module]
