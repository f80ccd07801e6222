"""The MODEL of a command line, and the backend of its values."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import Annotated, Any

import typer

from rlmesh import RemoteModel
from rlmesh._cli.sources import UsageProblem, load, read_choice, read_object
from rlmesh._models.base import ModelBase
from rlmesh.options import TLS

__all__ = [
    "MODEL_HELP",
    "Backend",
    "ModelKwargs",
    "ModelName",
    "dial_model",
    "is_address",
    "load_model",
]

RANDOM = "random"
BACKENDS = ("native", "numpy", "torch", "jax")

MODEL_HELP = (
    "module:name of a function, of a class or object with predict, or of a Model; or random, which "
    "samples the action space"
)
ModelName = Annotated[str, typer.Argument(metavar="MODEL", help=MODEL_HELP, show_default=False)]
ModelKwargs = Annotated[
    str,
    typer.Option(metavar="JSON", help="arguments to make the model with, if MODEL is a class"),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="native, numpy, torch or jax: the values that a MODEL reads that is no Model itself",
        show_default="numpy, if it is installed",
    ),
]


def is_address(name: str) -> bool:
    """Return whether MODEL is the address of a served model instead of `module:name`."""
    return "://" in name or re.fullmatch(r"(.*:)?\d+", name) is not None


def load_model(name: str, kwargs: str, backend: str | None) -> ModelBase[Any, Any]:
    """Return what MODEL names, as a model.

    Args:
        name: `module:name`, or "random".
        kwargs: JSON object with the arguments of a class.
        backend: Backend of a model without one of its own; None: NumPy, if it is installed.

    Raises:
        UsageProblem: If the name does not exist, or is not a model.
        ImportError: If the backend is not installed.
    """
    given = read_object(kwargs, "--model-kwargs")
    read_choice(backend, "--backend", BACKENDS)
    if name == RANDOM:
        from rlmesh import RANDOM_SAMPLE

        return _model_class(backend or "native")(RANDOM_SAMPLE)
    found = load(name)
    if isinstance(found, type):
        found = found(**given)
    elif given:
        raise UsageProblem(f"--model-kwargs: {name} is no class that takes arguments")
    if isinstance(found, ModelBase):
        return found
    try:
        return _model_class(backend)(found)
    except TypeError as error:
        raise UsageProblem(f"{name}: {error}") from error


def dial_model(
    address: str, backend: str | None, token: str, tls: TLS | None, timeout: float
) -> RemoteModel:
    """Return the model that is served at an address.

    Raises:
        UsageProblem: If there is no such backend.
        RLMeshError: If the model cannot be reached.
    """
    framework = read_choice(backend, "--backend", BACKENDS)
    return RemoteModel(address, token=token, tls=tls, framework=framework, connect_timeout=timeout)


def _model_class(backend: str | None) -> type[ModelBase[Any, Any]]:
    if backend is None:
        backend = "numpy" if find_spec("rlmesh_numpy") else "native"
    if backend == "numpy":
        from rlmesh.numpy import Model as NumpyModel

        return NumpyModel
    if backend == "torch":
        from rlmesh.torch import Model as TorchModel

        return TorchModel
    if backend == "jax":
        from rlmesh.jax import Model as JaxModel

        return JaxModel
    from rlmesh import Model

    return Model
