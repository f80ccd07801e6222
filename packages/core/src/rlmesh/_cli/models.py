"""The MODEL of a command line, and the backend of its values."""

from __future__ import annotations

import re
from importlib.util import find_spec
from typing import TYPE_CHECKING, Annotated, Any

import typer

import rlmesh
from rlmesh._cli.sources import UsageProblem, load, read_choice, read_object
from rlmesh.backends import backend_names, registration
from rlmesh.options import TLS

if TYPE_CHECKING:
    from rlmesh._models.base import ModelBase

__all__ = [
    "MODEL_HELP",
    "Backend",
    "ModelKwargs",
    "ModelName",
    "dial_model",
    "is_address",
    "load_model",
    "model_class",
]

RANDOM = "random"

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
        help="native, numpy, torch, jax or another registered backend: the values that a MODEL "
        "reads which is not a Model itself",
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
    # Imported late, with gRPC and protobuf, so that `rlmesh --help` answers at once.
    from rlmesh._models.base import ModelBase

    given = read_object(kwargs, "--model-kwargs")
    read_choice(backend, "--backend", backend_names())
    if name == RANDOM:
        return model_class(backend or "native")(rlmesh.RANDOM_SAMPLE)
    found = load(name)
    if isinstance(found, type):
        found = found(**given)
    elif given:
        raise UsageProblem(f"--model-kwargs: {name} is no class that takes arguments")
    if isinstance(found, ModelBase):
        return found
    try:
        return model_class(backend)(found)
    except TypeError as error:
        raise UsageProblem(f"{name}: {error}") from error


def dial_model(
    address: str, backend: str | None, token: str, tls: TLS | None, timeout: float
) -> rlmesh.RemoteModel:
    """Return the model that is served at an address.

    Raises:
        UsageProblem: If there is no such backend.
        RLMeshError: If the model cannot be reached.
    """
    framework = read_choice(backend, "--backend", backend_names())
    return rlmesh.RemoteModel(
        address, token=token, tls=tls, framework=framework, connect_timeout=timeout
    )


def model_class(backend: str | None) -> type[ModelBase[Any, Any]]:
    """Return the `Model` class of a backend; None: NumPy's, if it is installed, else the native."""
    if backend is None:
        backend = "numpy" if find_spec("rlmesh_numpy") else "native"
    return rlmesh.Model if backend == "native" else registration(backend).model_class()
