"""`acting_of`: the way of acting from the options of a command."""

from __future__ import annotations

import json
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import replace

from rlmesh._cli.sources import UsageProblem
from rlmesh.acting import Acting, Latency, RealTimeChunking, TemporalEnsemble

__all__ = ["acting_of"]


def acting_of(
    ensemble: float | None,
    latency: tuple[float | None, float | None, int | None, str | None],
    *,
    is_real_time: bool,
) -> Acting | None:
    """Return the way of acting; None if no option is given.

    Args:
        ensemble: The decay of a temporal ensemble.
        latency: Values of `--latency`, `--fps`, `--latency-steps` and `--latency-filler`.
        is_real_time: Whether the committed actions are sent to the model.

    Raises:
        UsageProblem: If the options do not go together.
    """
    seconds, fps, steps, filler = latency
    has_latency = latency != (None, None, None, None)
    if ensemble is not None and (has_latency or is_real_time):
        raise UsageProblem("--temporal-ensemble does not go with the options of a latency")
    if ensemble is not None:
        with _refused_as("--temporal-ensemble"):
            return TemporalEnsemble(ensemble)
    if not has_latency and not is_real_time:
        return None
    if (seconds is None) != (fps is None):
        raise UsageProblem("--latency and --fps need each other; or pass --latency-steps")
    if seconds is None and steps is None:
        option = "--real-time-chunking" if is_real_time else "--latency-filler"
        raise UsageProblem(f"{option} needs --latency with --fps, or --latency-steps")
    if seconds is not None and steps is not None:
        raise UsageProblem("--latency and --latency-steps are the same thing; pass one of them")
    with _refused_as("--latency-steps" if seconds is None else "--latency, --fps"):
        late = Latency(seconds, fps, steps)
    if filler is not None:
        with _refused_as("--latency-filler"):
            value = json.loads(filler)
            if value is None:
                raise ValueError("expected an action, got null")
            late = replace(late, filler=value)
    return RealTimeChunking(late) if is_real_time else late


@contextmanager
def _refused_as(option: str) -> Generator[None, None, None]:
    """Name an option in the error of its value."""
    try:
        yield
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageProblem(f"{option}: {error}") from None
