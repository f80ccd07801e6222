"""The MODEL of a command line, and the backend in whose values it is asked."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Annotated, Any

import typer

from rlmesh._cli.sources import UsageProblem, load, read_choice, read_object
from rlmesh._models.base import ModelBase

__all__ = ["Backend", "ModelKwargs", "ModelName", "load_model"]

RANDOM = "random"
BACKENDS = ("native", "numpy", "torch", "jax")

ModelName = Annotated[
    str,
    typer.Argument(
        metavar="MODEL",
        help="module:name of a function, of a class or object with predict, or of a Model; "
        "or random, which samples the action space",
        show_default=False,
    ),
]
ModelKwargs = Annotated[
    str,
    typer.Option(metavar="JSON", help="arguments to make the model with, where MODEL is a class"),
]
Backend = Annotated[
    str | None,
    typer.Option(
        help="native, numpy, torch or jax: whose values a MODEL reads that is no Model itself",
        show_default="numpy, where it is installed",
    ),
]


def load_model(name: str, kwargs: str, backend: str | None) -> ModelBase[Any, Any]:
    """What MODEL names, as a model.

    Args:
        name: `module:name`, or "random".
        kwargs: JSON object with the arguments of a class.
        backend: Of a model that has none of its own; None: NumPy's, where that is installed.

    Raises:
        UsageProblem: If it is not there, or no model.
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
