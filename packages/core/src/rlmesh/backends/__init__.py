"""Array libraries: what the codec needs of one, the native one, and the registry of the others.

A backend turns one leaf of a space into bytes and back. Everything else (which leaves there are,
in which order, with which sizes) is the codec's.
"""

from rlmesh.backends._native import NATIVE, NativeBackend
from rlmesh.backends._protocol import Arithmetic, ArrayBackend, Buffer, DynamicArray, Leaf
from rlmesh.backends._registry import (
    BackendRegistration,
    backend_names,
    backend_of,
    contract_backend,
    registration,
)

__all__ = [
    "NATIVE",
    "Arithmetic",
    "ArrayBackend",
    "BackendRegistration",
    "Buffer",
    "DynamicArray",
    "Leaf",
    "NativeBackend",
    "backend_names",
    "backend_of",
    "contract_backend",
    "registration",
]
