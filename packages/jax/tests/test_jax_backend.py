"""What only the JAX backend has; what every backend has is in tests/backends."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import pytest

import rlmesh_jax
from rlmesh.backends import DynamicArray, Leaf
from rlmesh.dtypes import DTYPES
from rlmesh.errors import CodecError, InvalidValueError
from rlmesh_jax import BACKEND, JaxBackend, asarray

FLOAT32, FLOAT64 = DTYPES["float32"], DTYPES["float64"]


@pytest.fixture(params=[False, True], ids=["x32", "x64"])
def x64(request: pytest.FixtureRequest) -> Iterator[bool]:
    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", request.param)
    yield request.param
    jax.config.update("jax_enable_x64", before)


def made(element: Any = FLOAT32, backend: JaxBackend = BACKEND) -> Any:
    return backend.from_bytes(element.pack([1, 2]), Leaf("value", element, (2,)), None, copy=True)


def test_arrays_are_committed(x64: bool) -> None:
    for backend in (BACKEND, JaxBackend("cpu"), JaxBackend("cpu:0"), JaxBackend(jax.devices()[0])):
        array = made(backend=backend)
        assert array.committed and array.device == backend.device == jax.devices()[0]
        value = backend.from_dynamic(DynamicArray(FLOAT32, (2,), FLOAT32.pack([1, 2])))
        assert value.committed and value.device == backend.device


def test_jit_traces_once(x64: bool) -> None:
    traces = []

    @jax.jit
    def double(x: Any) -> Any:
        traces.append(x)
        return x * 2

    for _ in range(3):
        assert double(made()).tolist() == [2.0, 4.0]
    assert len(traces) == 1


def test_the_refusal_follows_the_configuration(x64: bool) -> None:
    assert jax.config.jax_enable_x64 is x64
    for element in (DTYPES["int64"], DTYPES["uint64"], FLOAT64):
        if x64:
            assert made(element).dtype.name == element.name
        else:
            with pytest.raises(CodecError, match=f"turn {element} into .*jax_enable_x64") as caught:
                made(element)
            assert caught.value.path == "value"


def test_the_refusal_follows_a_context() -> None:
    # Its module depends on the version of JAX.
    home = jax if hasattr(jax, "enable_x64") else jax.experimental
    enable = home.enable_x64
    with enable(True):
        assert made(FLOAT64).dtype.name == "float64"
    with enable(False), pytest.raises(CodecError):
        made(FLOAT64)


def test_actions_of_64_bits_need_no_x64(x64: bool) -> None:
    leaf = Leaf("action", FLOAT64, (2,))
    for value in ([0.1, 0.2], np.array([0.1, 0.2])):
        assert BACKEND.to_bytes(BACKEND.as_leaf(value, leaf, None)) == FLOAT64.pack([0.1, 0.2])
    narrow = BACKEND.as_leaf(made(), leaf, None)
    assert BACKEND.to_bytes(narrow) == FLOAT64.pack([1.0, 2.0])


def test_asarray(x64: bool) -> None:
    assert asarray([1.5, 2]).dtype == (np.float64 if x64 else np.float32)
    assert asarray(3).tolist() == 3
    assert asarray(np.arange(3, dtype=np.int16)).dtype == np.int16
    assert asarray(np.array([1.5, 2], ">f4")).tolist() == [1.5, 2]
    array = made()
    assert asarray(array) is array
    assert asarray([1.5], device="cpu").committed
    if x64:
        assert asarray(np.arange(3.0)).dtype == np.float64
    else:
        with pytest.raises(InvalidValueError, match=r"float64.*jax_enable_x64"):
            asarray(np.arange(3.0))


def test_names_of_devices() -> None:
    with pytest.raises(ValueError, match="no device 'cpu:99'"):
        made(backend=JaxBackend("cpu:99"))
    with jax.default_device("cpu"):
        assert made(backend=JaxBackend()).device.platform == "cpu"
    with jax.default_device(jax.devices("cpu")[0]):
        assert made(backend=JaxBackend()).device.platform == "cpu"


def test_the_device_is_not_looked_for_at_import() -> None:
    import subprocess

    code = (
        "import rlmesh_jax, jax; from jax._src import xla_bridge as b; "
        "assert not b.backends_are_initialized()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_keys_and_tracers_are_no_leaf() -> None:
    with pytest.raises(InvalidValueError):
        BACKEND.as_leaf(jax.random.key(0), Leaf("action", FLOAT32, ()), None)
    assert BACKEND.dynamic(jax.random.key(0)) is None


def test_the_names_of_core(monkeypatch: pytest.MonkeyPatch) -> None:
    import rlmesh.jax

    assert set(rlmesh.jax.__all__) == set(rlmesh_jax.__all__) - {"__version__"}
    assert all(hasattr(rlmesh_jax, name) for name in rlmesh_jax.__all__)
    monkeypatch.delitem(sys.modules, "rlmesh.jax")
    monkeypatch.setitem(sys.modules, "rlmesh_jax", None)  # type: ignore[arg-type]
    with pytest.raises(ImportError, match=r"rlmesh-core\[jax\]"):
        import rlmesh.jax
