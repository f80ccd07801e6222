"""The array libraries that the properties are held against."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.backends.libraries import Library, installed, open_library


@pytest.fixture(scope="module")
def libraries() -> Iterator[dict[str, Library]]:
    """Each array library that is installed, by name; JAX with its elements of 64 bits."""
    with ExitStack() as stack:
        names = [name for name in ("native", "numpy", "torch", "jax-x64") if installed(name)]
        yield {name: stack.enter_context(open_library(name)) for name in names}
