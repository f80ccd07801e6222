"""Units of measurement in UCUM notation, and the factors between them.

Only units that differ by a factor are known. The names are UCUM's (case sensitive codes,
https://ucum.org/ucum), the factors those of the SI Brochure, 9th edition, tables 2, 4 and 8.
"""

from __future__ import annotations

import math

__all__ = ["unit_factor"]

_KNOWN: dict[str, tuple[str, float]] = {
    # unit: (quantity, size in the SI unit of that quantity)
    **{u: ("length", f) for u, f in (("m", 1.0), ("dm", 0.1), ("cm", 0.01), ("mm", 0.001))},
    **{u: ("length", f) for u, f in (("um", 1e-6), ("km", 1e3), ("[in_i]", 0.0254))},
    **{u: ("angle", f) for u, f in (("rad", 1.0), ("mrad", 1e-3), ("deg", math.pi / 180))},
    **{u: ("angle", f) for u, f in (("'", math.pi / 10_800), ("circ", 2 * math.pi))},
    **{u: ("time", f) for u, f in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("min", 60.0))},
    "h": ("time", 3600.0),
    **{u: ("mass", f) for u, f in (("kg", 1.0), ("g", 1e-3), ("mg", 1e-6), ("t", 1e3))},
    **{u: ("force", f) for u, f in (("N", 1.0), ("mN", 1e-3), ("kN", 1e3))},
    **{u: ("torque", f) for u, f in (("N.m", 1.0), ("N.cm", 0.01), ("N.mm", 1e-3), ("mN.m", 1e-3))},
    **{u: ("pressure", f) for u, f in (("Pa", 1.0), ("hPa", 1e2), ("kPa", 1e3), ("bar", 1e5))},
    **{u: ("voltage", f) for u, f in (("V", 1.0), ("mV", 1e-3))},
    **{u: ("current", f) for u, f in (("A", 1.0), ("mA", 1e-3))},
    **{u: ("fraction", f) for u, f in (("1", 1.0), ("%", 0.01))},
    **{u: ("frequency", f) for u, f in (("Hz", 1.0), ("kHz", 1e3))},
}


def unit_factor(source: str, target: str) -> float | None:
    """Return the factor that converts a number in `source` to one in `target`.

    Both may be quotients of known units ("deg/s", "m/s/s", "m/s2").

    Returns:
        The factor; None if a unit is not known, or if they measure different quantities.
    """
    if source == target:
        return 1.0
    one, other = _measure(source), _measure(target)
    if one is None or other is None or one[0] != other[0]:
        return None
    return one[1] / other[1]


def _measure(unit: str) -> tuple[tuple[str, ...], float] | None:
    """Return the quantity that a unit measures, and its size in the SI unit."""
    top, *below = _split(unit)
    if top not in _KNOWN:
        return None
    name, size = _KNOWN[top]
    divisors: list[str] = []
    for part in below:
        if part not in _KNOWN:
            return None
        divisors.append(_KNOWN[part][0])
        size /= _KNOWN[part][1]
    return (name, *sorted(divisors)), size


def _split(unit: str) -> list[str]:
    parts: list[str] = []
    for i, part in enumerate(unit.split("/")):
        squared = i > 0 and part.endswith("2") and part[:-1] in _KNOWN
        parts += [part[:-1]] * 2 if squared else [part]
    return parts
