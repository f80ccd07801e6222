"""The registry of backends: each is declared by an entry point of its own package.

A package that adds an array library to RLMesh declares, in its `pyproject.toml`:

    [project.entry-points."rlmesh.backends"]
    cupy = "rlmesh_cupy:REGISTRATION"

where the object is a `BackendRegistration`. `framework="cupy"` of servers and clients, and
`--backend cupy` of the command line, find it by that name.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from rlmesh.backends._native import NATIVE
from rlmesh.backends._protocol import ArrayBackend

__all__ = ["BackendRegistration", "backend_names", "backend_of", "contract_backend", "registration"]

GROUP = "rlmesh.backends"
"""Group of the entry points."""

PUBLISHED = ("numpy", "torch", "jax")
"""Frameworks that have a package of RLMesh; `import rlmesh.<name>` names the pip command."""


@dataclass(frozen=True)
class BackendRegistration:
    """What a package declares of its array library.

    Attributes:
        backend: The backend, on the library's default device.
        model: The package's `Model` class as "module:name"; its instances read and return the
            library's values. `model_class` imports it.
        on_device: Return the backend that makes its values on a device; None if the library has no
            devices.
    """

    backend: ArrayBackend
    model: str
    on_device: Callable[[Any], ArrayBackend] | None = None

    def model_class(self) -> type[Any]:
        """Import and return the package's `Model` class."""
        module, _, name = self.model.partition(":")
        found: type[Any] = getattr(importlib.import_module(module), name)
        return found


def backend_names() -> tuple[str, ...]:
    """Return the names of the native backend and of every registered one, in alphabetical order."""
    return ("native", *sorted(_entry_points()))


def registration(name: str) -> BackendRegistration:
    """Return the registration of a framework.

    Args:
        name: The framework ("torch"); "native" has no registration.

    Raises:
        ValueError: If no backend has that name; the message lists the registered ones.
        ImportError: If the package of RLMesh for that framework, or the framework itself, is not
            installed; the message names the pip command.
        TypeError: If the entry point refers to something other than a `BackendRegistration`.
    """
    entry_point = _entry_points().get(name)
    if entry_point is None:
        if name in PUBLISHED:
            importlib.import_module(f"rlmesh.{name}")
        raise ValueError(f"no framework {name!r}; there are {', '.join(backend_names())}")
    found = entry_point.load()
    if not isinstance(found, BackendRegistration):
        raise TypeError(
            f"entry point {entry_point.value!r} of group {GROUP!r}: expected a "
            f"BackendRegistration, got {type(found).__name__}"
        )
    return found


def backend_of(framework: str, device: object | None = None) -> ArrayBackend:
    """Return the backend of a framework.

    Args:
        framework: "native", or the name of a registered backend.
        device: Device that the backend makes its values on; None: the library's default.

    Raises:
        ValueError: If no backend has that name, or if `device` is given and the library has none.
        ImportError: See `registration`.
    """
    if framework == "native":
        declared = BackendRegistration(NATIVE, "rlmesh:Model")
    else:
        declared = registration(framework)
    if device is None:
        return declared.backend
    if declared.on_device is None:
        raise ValueError(f"device={device!r}: framework={framework!r} has no devices")
    return declared.on_device(device)


def contract_backend() -> ArrayBackend:
    """Return the backend of metadata, infos and options, which pass through unchanged.

    NumPy's backend, if it is installed, keeps the type of each scalar. It is imported by name, not
    found by its entry point, because each server and client needs it, and reading the entry points
    of all installed packages takes tens of milliseconds.
    """
    try:
        numpy: ArrayBackend = importlib.import_module("rlmesh_numpy").BACKEND
    except ImportError:
        return NATIVE
    return numpy


@lru_cache(maxsize=1)
def _entry_points() -> dict[str, Any]:
    from importlib.metadata import entry_points  # Importing it takes 40 ms.

    return {found.name: found for found in entry_points(group=GROUP)}
