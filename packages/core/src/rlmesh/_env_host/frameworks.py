"""The backends of an environment whose actions are wanted in one framework."""

from __future__ import annotations

import importlib
from typing import Any, Literal, Union

from rlmesh.backends import NATIVE, ArrayBackend

__all__ = ["Framework", "backend_of", "contract_backend"]

Framework = Literal["native", "numpy", "torch", "jax"]
"""Whose values an environment gets."""

_ON_DEVICES = {"torch": "TorchBackend", "jax": "JaxBackend"}


def backend_of(framework: Framework, device: Union[str, object, None]) -> ArrayBackend:
    """The backend of a framework, which makes its values on `device`.

    Raises:
        ValueError: If there is no such framework, or it has no devices and one is given.
        ImportError: If its package is not installed; names the pip command.
    """
    if framework in _ON_DEVICES:
        module: Any = importlib.import_module(f"rlmesh.{framework}")
        on_device: ArrayBackend = getattr(module, _ON_DEVICES[framework])(device)
        return on_device
    if device is not None:
        raise ValueError(f"device={device!r} is for framework='torch' or 'jax', not {framework!r}")
    if framework == "native":
        return NATIVE
    if framework == "numpy":
        numpy: ArrayBackend = importlib.import_module("rlmesh.numpy").BACKEND
        return numpy
    known = ["native", "numpy", *_ON_DEVICES]
    raise ValueError(f"no framework {framework!r}; there are {', '.join(known)}")


def contract_backend() -> ArrayBackend:
    """Who makes the arrays of metadata, infos and options that go through untouched.

    NumPy's, where it is installed, keeps the type of each scalar.
    """
    try:
        return backend_of("numpy", None)
    except ImportError:
        return NATIVE
