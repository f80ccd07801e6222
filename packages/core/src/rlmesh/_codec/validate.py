"""What happens with a value that the wire can carry but that its space does not contain.

Bounds of a Box, NaN, and length and characters of a Text are a matter of validation. What the
wire's form itself needs (a Discrete in range, a dtype, a shape) is an error at every level.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from rlmesh._logs import warn
from rlmesh.errors import InvalidValueError

__all__ = ["VALIDATION_KEY", "Validation", "ValidationWarning", "Validator", "with_reports"]

Validation = Literal["off", "warn", "strict"]
"""`"off"`: not looked at. `"warn"`: reported once a path. `"strict"`: an error."""


VALIDATION_KEY = "rlmesh.validation"
"""Info key of the values that were outside their space: a dict of messages by path."""


class ValidationWarning(UserWarning):
    """A value outside its space was let through, or a declaration is probably wrong.

    See the `validation` options of servers, clients and evaluations.
    """


class Validator:
    """Decides and remembers, for one endpoint.

    Args:
        level: What to do with a value outside its space.

    Attributes:
        pending: Messages by path that have not been taken yet.

    Raises:
        ValueError: If `level` is none of "off", "warn" and "strict".
    """

    def __init__(self, level: Validation) -> None:
        if level not in ("off", "warn", "strict"):
            raise ValueError(f"validation must be 'off', 'warn' or 'strict', got {level!r}")
        self.level = level
        self._reported: set[str] = set()
        self.pending: dict[str, str] = {}

    def wants(self, path: str) -> bool:
        """Return whether the value at `path` has to be looked at."""
        if self.level == "warn":
            return path not in self._reported
        return self.level == "strict"

    def report(self, path: str, expected: str, actual: str) -> None:
        """Report a value outside its space at `path`.

        Raises:
            InvalidValueError: If the level is "strict".
        """
        error = InvalidValueError(path, expected, actual)
        if self.level == "strict":
            raise error
        self._reported.add(path)
        self.pending[path] = str(error)
        warn(
            f"{error} (let through, and reported once; see validation=)",
            ValidationWarning,
            stacklevel=2,
        )

    def take_reports(self) -> dict[str, str]:
        """Return the messages by path since the last call."""
        reports, self.pending = self.pending, {}
        return reports


def with_reports(info: Mapping[Any, Any], *reports: dict[str, str]) -> Mapping[Any, Any]:
    """Return an info with reports of values outside their space, if there are any."""
    if not any(reports):
        return info
    known = info.get(VALIDATION_KEY)
    merged = dict(known) if isinstance(known, Mapping) else {}
    for some in reports:
        merged.update(some)
    return {**info, VALIDATION_KEY: merged}
