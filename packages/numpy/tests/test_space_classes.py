"""Which class of Gymnasium's spaces decides how a space is converted."""

from __future__ import annotations

from typing import Any

import gymnasium.spaces as gs
import numpy as np
import pytest

from rlmesh import spaces
from rlmesh_numpy import _spaces
from rlmesh_numpy._custom_spaces import standard_space


class Ring(gs.Discrete):
    """A space that Gymnasium lacks, derived from the nearest one."""


@pytest.mark.parametrize("derived_first", [True, False])
def test_the_nearest_class_decides(derived_first: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    def from_ring(space: Any, path: tuple[str | int, ...]) -> spaces.Space[Any]:
        return spaces.Text(int(space.n))

    ring: dict[Any, Any] = {Ring: from_ring}
    table = {**ring, **_spaces._FROM} if derived_first else {**_spaces._FROM, **ring}
    monkeypatch.setattr(_spaces, "_FROM", table)
    assert _spaces.spaces_from_gymnasium(Ring(3)) == spaces.Text(3)
    assert _spaces.spaces_from_gymnasium(gs.Discrete(3)) == spaces.Discrete(3)


class Constant(gs.Space[Any]):
    """A space that Gymnasium lacks, of one array."""

    def __init__(self, sample: Any) -> None:
        super().__init__((2,), np.dtype(sample.dtype))
        self.value = sample

    def sample(self, mask: Any = None, probability: Any = None) -> Any:
        return self.value


@pytest.mark.parametrize(
    ("sample", "standard"),
    [
        (np.zeros(2, np.int8), gs.Box(-128, 127, (2,), np.int8)),
        (np.zeros(2, np.bool_), gs.Box(0, 1, (2,), np.bool_)),
        (np.zeros(2, np.float64), gs.Box(-np.inf, np.inf, (2,), np.float64)),
        (np.zeros(3, np.int8), None),
        (np.zeros(2, np.complex64), None),
    ],
    ids=["int8", "bool", "float64", "another shape", "complex"],
)
def test_a_space_of_another_class_is_known_by_its_samples(sample: Any, standard: Any) -> None:
    assert standard_space(Constant(sample)) == standard


def test_what_is_no_space_or_cannot_be_drawn_from_is_not_known() -> None:
    assert standard_space(object()) is None
    assert standard_space(Constant(np.zeros(2)).sample) is None
    broken = Constant(np.zeros(2))
    del broken.value
    assert standard_space(broken) is None
