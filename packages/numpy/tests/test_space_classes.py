"""Which class of Gymnasium's spaces decides how a space is converted."""

from __future__ import annotations

from typing import Any

import gymnasium.spaces as gs
import pytest

from rlmesh import spaces
from rlmesh_numpy import _spaces


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
