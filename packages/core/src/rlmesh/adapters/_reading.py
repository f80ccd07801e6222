"""`FeatureReader`: reads features of an observation by the roles of the environment's tags."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Union

from rlmesh._problem import Problem
from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._chain import Lanes
from rlmesh.adapters._fit import Fit, Wanted
from rlmesh.adapters._matching import TaggedSpaces, slot_with_role
from rlmesh.adapters._parts import FeaturePart, part_of
from rlmesh.adapters._tags import EnvTags, Feature
from rlmesh.backends import ArrayBackend
from rlmesh.errors import AdapterError

__all__ = ["FeatureReader"]


class FeatureReader:
    """A reader of the features of one environment.

    Args:
        contract: The environment's contract.
        backend: Backend of the observations.
    """

    def __init__(self, contract: TaggedSpaces, backend: ArrayBackend) -> None:
        self._contract = contract
        self._backend = backend
        self._known: dict[Union[str, Feature], Callable[[Any], Any]] = {}

    def read(self, observation: Any, wanted: str | Feature) -> Any:
        """Return a feature of an observation.

        Args:
            observation: The observation.
            wanted: The role, for the numbers as they are; or a feature, for the numbers that an
                input of a model with this feature would get.

        Raises:
            AdapterError: If no tag has the role, or several have, or the feature cannot become the
                wanted one.
            InvalidValueError: If the observation does not belong to its space.
        """
        reader = self._known.get(wanted)
        if reader is None:
            reader = self._known[wanted] = self._reader(wanted)
        return reader(observation)

    def _reader(self, wanted: str | Feature) -> Callable[[Any], Any]:
        problems: list[Problem] = []
        role = wanted if isinstance(wanted, str) else wanted.role
        contract = self._contract
        tags = (contract.tags or EnvTags()).observation
        slot = slot_with_role(
            role, "role", "observation", tags, contract.observation_space, problems
        )
        if slot is None:
            raise _refused(problems)
        is_whole = slot.start is None
        if slot.is_text or (is_whole and isinstance(wanted, str)):
            return lambda observation: part_of(observation, slot)
        arrays = Arrays(self._backend)  # Refuses the native backend, which cannot cut an array.
        if isinstance(wanted, str):
            return lambda observation: slot.cut(part_of(observation, slot))
        chain = Fit(slot, Wanted(wanted, role), problems).inward(arrays)
        if problems:
            raise _refused(problems)
        part = FeaturePart(slot, chain)
        return lambda observation: part.read(observation, Lanes([{}], False), arrays)


def _refused(problems: list[Problem]) -> AdapterError:
    return AdapterError("\n".join(map(str, problems)))
