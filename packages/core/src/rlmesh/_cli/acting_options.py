"""`acting_of`: the way of acting from the options of a command."""

from __future__ import annotations

import json

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
    if is_real_time and not has_latency:
        raise UsageProblem("--real-time-chunking needs --latency with --fps, or --latency-steps")
    try:
        if ensemble is not None:
            return TemporalEnsemble(ensemble)
        if not has_latency:
            return None
        value = None if filler is None else json.loads(filler)
        late = Latency(seconds, fps, steps, value)
    except (ValueError, TypeError, RecursionError) as error:
        raise UsageProblem(f"--latency, --temporal-ensemble: {error}") from None
    return RealTimeChunking(late) if is_real_time else late
