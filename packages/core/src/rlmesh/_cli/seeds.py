"""The seeds of a command line."""

from __future__ import annotations

from rlmesh._cli.sources import UsageProblem

__all__ = ["read_seeds"]

MOST_SEEDS = 10_000_000


def read_seeds(text: str) -> list[int]:
    """Return seeds from `first:end` (without end), `first:end:step`, a number or a comma list.

    Raises:
        UsageProblem: If the text is anything else, has no seeds, or has too many.
    """
    seeds: list[int] = []
    for part in text.split(","):
        span = _span(part.strip(), text)
        if len(seeds) + len(span) > MOST_SEEDS:
            raise UsageProblem(f"--seeds: expected {MOST_SEEDS} at most, {part!r} has {len(span)}")
        seeds.extend(span)
    if not seeds:
        raise UsageProblem(f"--seeds: {text!r:.60} is empty; 0:100 is the seeds from 0 to 99")
    return seeds


def _span(part: str, text: str) -> range:
    words = part.split(":")
    if len(words) > 3 or not all(word.isascii() and word.isdecimal() for word in words):
        raise UsageProblem(
            f"--seeds: expected such as 0:100, 0:100:2 or 1,5,7 with numbers of 0 or more, got "
            f"{text!r:.60}"
        )
    # Python refuses to parse numbers that are much too long.
    numbers = [int(word) if len(word) < 100 else 2**64 for word in words]
    if max(numbers) > 2**64 - 1:
        raise UsageProblem(f"--seeds: expected seeds of up to 2**64 - 1, got {text!r:.60}")
    if len(numbers) == 1:
        return range(numbers[0], numbers[0] + 1)
    if len(numbers) == 3 and not numbers[2]:
        raise UsageProblem(f"--seeds: expected a step above 0, got {text!r:.60}")
    return range(*numbers)
