"""`Losses`: what a summary counts."""

from __future__ import annotations

import logging

from rlmesh._session.losses import Losses

from .memory import ManualClock


def test_seconds_of_a_loss_that_is_resumed_again_and_again_count_once() -> None:
    losses = Losses(ManualClock(), logging.WARNING)
    losses.level_of_loss()
    for seconds in (0.5, 1.0, 2.0):  # Since the loss; the connection broke before an answer came.
        losses.level_of_return(seconds)
    losses.level_of_loss()
    losses.level_of_return(0.25)
    losses.level_of_return(0.0)  # Its loss was not noticed.
    assert losses.seconds == 2.25
    assert losses.summary == "; its connection was lost 2 times, for 2.2 s in all"
