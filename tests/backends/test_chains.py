"""A leaf through each library in turn, over the wire and by hand, bit for bit."""

from __future__ import annotations

import itertools
import math
import warnings
from contextlib import ExitStack

import pytest

from rlmesh.dtypes import DTYPES, DType
from tests.backends.libraries import bits, leaf_of, open_library
from tests.cases import for_each

CHAIN = ("numpy", "torch", "jax-x64", "native")
SHAPES = ((), (0,), (12,), (2, 0, 3), (2, 3, 4))


@for_each("element", DTYPES.values(), ids=str)
@for_each("order", itertools.permutations(CHAIN), ids="-".join)
def test_over_the_wire(element: DType, order: tuple[str, ...]) -> None:
    with ExitStack() as stack, warnings.catch_warnings():
        warnings.simplefilter("error")
        backends = [stack.enter_context(open_library(name)).backend for name in order]
        for shape in SHAPES:
            leaf = leaf_of(element, shape)
            data = bits(element, math.prod(shape))
            sent = data
            for backend in (*backends, backends[0]):
                array = backend.from_bytes(sent, leaf, None, copy=True)
                sent = backend.to_bytes(backend.as_leaf(array, leaf, None))
            assert sent == data


@for_each("element", DTYPES.values(), ids=str)
def test_by_hand(element: DType) -> None:
    """numpy -> torch.as_tensor -> jax asarray -> numpy asarray."""
    pytest.importorskip("rlmesh_torch")
    pytest.importorskip("rlmesh_jax")
    np = pytest.importorskip("numpy")
    torch, jax = pytest.importorskip("rlmesh.torch"), pytest.importorskip("rlmesh.jax")
    from rlmesh.numpy import BACKEND, asarray

    with open_library("jax-x64"):
        for shape in SHAPES:
            leaf = leaf_of(element, shape)
            data = bits(element, math.prod(shape))
            array = BACKEND.from_bytes(data, leaf, None, copy=True)
            tensor = torch.as_tensor(array)
            assert str(tensor.dtype) == f"torch.{element}"
            there = jax.asarray(tensor)
            assert there.dtype.name == element.name
            back = asarray(torch.as_tensor(there))
            assert isinstance(back, np.ndarray) and back.shape == shape
            assert back.dtype == array.dtype and back.tobytes() == data
