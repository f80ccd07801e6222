"""Entry points of a spec: never imported unless they are trusted, and what they compute."""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import pytest

from rlmesh import spaces
from rlmesh.adapters import Feature, MeanStd, ModelInput, ModelSpec, resolve
from rlmesh.errors import AdapterError
from rlmesh.specs import EnvContract

np = pytest.importorskip("numpy")
BACKEND = pytest.importorskip("rlmesh_numpy").BACKEND


@pytest.fixture
def trap(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A module that reports its import."""
    (tmp_path / "rlmesh_trap.py").write_text(
        "import pathlib\n"
        "pathlib.Path(__file__).with_name('imported').touch()\n"
        "class Made:\n"
        "    @staticmethod\n"
        "    def double(observation):\n"
        "        assert type(observation['n']) is int\n"
        "        return observation['a'] * 2 + observation['n']\n"
        "wrong = 3\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "rlmesh_trap", raising=False)
    return str(tmp_path / "imported")


CALLED = EnvContract(
    "e",
    spaces.Dict({"a": spaces.Box(-math.inf, math.inf, (3,)), "n": spaces.Discrete(5)}),
    spaces.Dict({}),
)


def called(entrypoint: str, **facts: Any) -> ModelSpec:
    return ModelSpec(inputs=(ModelInput("in", Feature("x"), entrypoint=entrypoint, **facts),))


def test_entry_points_are_imported_only_where_they_are_trusted(trap: str) -> None:
    spec = called("rlmesh_trap:Made.double")
    with pytest.raises(AdapterError, match="trust_entrypoints=True") as caught:
        resolve(CALLED, spec, backend=BACKEND)
    assert caught.value.forbidden
    assert "rlmesh_trap" not in sys.modules and not Path(trap).exists()
    resolve(CALLED, spec, backend=BACKEND, trust_entrypoints=True)
    assert Path(trap).exists()


def test_entry_points_compute_inputs(trap: str) -> None:
    statistics = MeanStd((1.0,), (2.0,))
    spec = called("rlmesh_trap:Made.double", shape=(2, 3), normalization=statistics, history=2)
    adapter = resolve(CALLED, spec, backend=BACKEND, trust_entrypoints=True)
    observation = {"a": np.array([1, 2, 3], "f4"), "n": 1}
    assert adapter.episode().observe(observation)["in"].tolist() == [[1, 2, 3]] * 2
    batch = {"a": np.array([[1, 2, 3], [4, 5, 6]], "f4"), "n": np.array([1, 3])}
    found = adapter.observe_batch(batch, [adapter.episode(), adapter.episode()])["in"]
    assert found[:, 1].tolist() == [[1, 2, 3], [5, 6, 7]]


@pytest.mark.parametrize(
    ("entrypoint", "facts", "words"),
    [
        ("rlmesh_trap:missing", {}, "AttributeError"),
        ("rlmesh_trap:wrong", {}, "to be callable"),
        ("rlmesh_trap", {}, "module:name"),
        ("rlmesh_trap:wrong;wrong", {}, "module:name"),
        ("no_such_module_of_anyone:f", {}, "ModuleNotFoundError"),
        ("rlmesh_trap:Made.double", {"shape": (3,), "history": 2}, "(2, ...)"),
        (
            "rlmesh_trap:Made.double",
            {"normalization": MeanStd((1.0, 2.0), (1.0, 1.0))},
            "a shape, for statistics",
        ),
    ],
)
def test_entry_points_that_do_not_work(
    trap: str, entrypoint: str, facts: dict[str, Any], words: str
) -> None:
    with pytest.raises(AdapterError) as caught:
        resolve(CALLED, called(entrypoint, **facts), backend=BACKEND, trust_entrypoints=True)
    assert words in str(caught.value) and not caught.value.forbidden
