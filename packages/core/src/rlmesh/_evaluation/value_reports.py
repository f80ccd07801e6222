"""Reports on values outside their space, which infos carry, as counts of warnings."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from rlmesh._codec.validate import VALIDATION_KEY
from rlmesh.results import WarningKind
from rlmesh.results._frozen_mapping import EMPTY

__all__ = ["count_reports", "reports_of"]


def reports_of(info: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Return the reports in an info: a message for each path. They are empty if it has none."""
    found = info.get(VALIDATION_KEY)
    # The info is the environment's, which may have anything under that key.
    return found if isinstance(found, Mapping) else EMPTY


def count_reports(reports: Mapping[Any, Any]) -> Counter[str]:
    """Return the number of reports by kind of warning; a path begins with the value's name."""
    return Counter(
        WarningKind.ACTION_OUTSIDE_SPACE
        if str(path).startswith("action")
        else WarningKind.OBSERVATION_OUTSIDE_SPACE
        for path in reports
    )
