"""A backend as another package would have it, by public names alone: NumPy's under its own name."""

from __future__ import annotations

from typing import Any

import numpy as np

import rlmesh
from rlmesh.backends import BackendRegistration
from rlmesh_numpy import BACKEND as NUMPY
from tests.backends.libraries import Library

__all__ = ["LIBRARY", "REGISTRATION", "Model"]


class MyBackend(type(NUMPY)):  # type: ignore[misc]
    """NumPy's arrays, from a package that RLMesh does not know."""

    name = "mynp"


BACKEND: Any = MyBackend()


class Model(rlmesh.Model):
    """A model that reads and returns these arrays."""

    def __init__(self, source: object = None, **options: Any) -> None:
        super().__init__(source, backend=BACKEND, **options)


REGISTRATION = BackendRegistration(BACKEND, "tests.backends.third_party:Model")
LIBRARY = Library("mynp", BACKEND, np.ndarray, Model, writable=True, integer=np.int64)
