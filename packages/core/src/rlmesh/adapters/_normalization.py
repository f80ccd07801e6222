"""Scaling of numbers between a model and an environment, and the files that have its statistics."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Union

__all__ = ["MeanStd", "MinMax", "Normalization", "Statistics"]


@dataclass(frozen=True)
class MeanStd:
    """Scaling to (x - mean) / (std + epsilon) on the way into the model, back on the way out.

    A divisor of 0 counts as 1, so that an element that never changes becomes 0 (the rule of
    scikit-learn's StandardScaler).

    Attributes:
        mean: One number, or one for each element of the last axis (for an image, each channel).
        std: Likewise; none below 0.
        epsilon: Added to `std`; at least 0.
        mask: Whether each element is scaled; empty: all are.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    epsilon: float = 0.0
    mask: tuple[bool, ...] = ()


@dataclass(frozen=True)
class MinMax:
    """Scaling of [low, high] to `target` on the way into the model, back on the way out.

    `low` and `high` may be any two statistics, such as the quantiles of 1% and 99%. An element x
    becomes target[0] + (x - low) / (high - low + epsilon) * (target[1] - target[0]). A divisor of
    0 counts as 1, so that an element that never changes becomes target[0] (the rule of
    scikit-learn's MinMaxScaler).

    Attributes:
        low: One number, or one for each element of the last axis (for an image, each channel).
        high: Likewise; none below `low`.
        epsilon: Added to `high - low`; at least 0.
        mask: Whether each element is scaled; empty: all are.
        target: The interval that `low` and `high` become.
    """

    low: tuple[float, ...]
    high: tuple[float, ...]
    epsilon: float = 0.0
    mask: tuple[bool, ...] = ()
    target: tuple[float, float] = (-1.0, 1.0)


Normalization = Union[MeanStd, MinMax]


@dataclass(frozen=True)
class Statistics:
    """Statistics of a dataset, one mapping of names ("mean", "q01") to numbers for each feature.

    Attributes:
        features: The statistics of each feature by its key in the file.
    """

    features: Mapping[str, Mapping[str, tuple[float, ...]]]

    @classmethod
    def from_json(cls, source: str | os.PathLike[str] | Mapping[str, Any]) -> Statistics:
        """Read the statistics that a training run has written.

        Both forms in use are read: LeRobot's `meta/stats.json` (features by their keys) and
        openpi's `norm_stats.json` (the same below "norm_stats").

        Args:
            source: Path of the file, or what the file has been read to.

        Raises:
            OSError: If the file cannot be read.
            ValueError: If it is neither of the two forms.
        """
        document: Any = source
        name = "the mapping"
        if not isinstance(source, Mapping):
            name = os.fspath(source)
            with open(source, encoding="utf-8") as file:
                document = json.load(file)
        if isinstance(document, Mapping):
            document = document.get("norm_stats", document)
        if not isinstance(document, Mapping) or not document:
            raise ValueError(f"{name}: expected statistics by the key of a feature, got none")
        return cls(
            {str(key): _numbers_of(part, f"{name}: {key}") for key, part in document.items()}
        )

    def mean_std(self, key: str, *, epsilon: float = 0.0, mask: Sequence[bool] = ()) -> MeanStd:
        """Return the scaling of a feature by its mean and standard deviation.

        Raises:
            KeyError: If the feature, or one of its statistics, is not in the file.
        """
        return MeanStd(self._get(key, "mean"), self._get(key, "std"), epsilon, tuple(mask))

    def min_max(
        self,
        key: str,
        *,
        epsilon: float = 0.0,
        mask: Sequence[bool] = (),
        target: tuple[float, float] = (-1.0, 1.0),
    ) -> MinMax:
        """Return the scaling of a feature by its smallest and largest number.

        Raises:
            KeyError: If the feature, or one of its statistics, is not in the file.
        """
        return MinMax(self._get(key, "min"), self._get(key, "max"), epsilon, tuple(mask), target)

    def quantiles(
        self,
        key: str,
        *,
        epsilon: float = 0.0,
        mask: Sequence[bool] = (),
        target: tuple[float, float] = (-1.0, 1.0),
    ) -> MinMax:
        """Return the scaling of a feature by its quantiles of 1% and 99%; openpi's epsilon is 1e-6.

        Raises:
            KeyError: If the feature, or one of its statistics, is not in the file.
        """
        return MinMax(self._get(key, "q01"), self._get(key, "q99"), epsilon, tuple(mask), target)

    def _get(self, key: str, name: str) -> tuple[float, ...]:
        for wanted, found in ((key, self.features), (name, self.features.get(key, {}))):
            if wanted not in found:
                known = ", ".join(map(repr, found)) or "none"
                raise KeyError(f"expected statistics {wanted!r} of {key!r}, got only {known}")
        return self.features[key][name]


def _numbers_of(part: Any, path: str) -> Mapping[str, tuple[float, ...]]:
    if not isinstance(part, Mapping):
        raise ValueError(f"{path}: expected statistics by name, got a {type(part).__name__}")
    found: dict[str, tuple[float, ...]] = {}
    for name, value in part.items():
        numbers = list(_flat(value))
        if all(isinstance(x, (int, float)) for x in numbers):
            found[str(name)] = tuple(map(float, numbers))
    return found


def _flat(value: Any) -> Sequence[Any]:
    """Return the numbers of a number or of nested lists: LeRobot writes images' as (C, 1, 1)."""
    if isinstance(value, (list, tuple)):
        return [number for part in value for number in _flat(part)]
    return [value]
