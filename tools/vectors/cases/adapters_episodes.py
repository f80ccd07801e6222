"""Adapters: histories and texts."""

from __future__ import annotations

from collections.abc import Sequence

from ..adapters import (
    NOTHING,
    AdapterCase,
    Facts,
    Moment,
    feature,
    leaf,
    numbers,
    reading,
    spec_of,
    tags_of,
)
from ..spaces import box, dict_, text
from ..values import entries, string

__all__ = ["HISTORIES", "TEXTS"]

STATE = feature("state/x", kind="state")

# Histories.


def history(name: str, lengths: Facts, wanted: Sequence[Sequence[int]]) -> AdapterCase:
    """Return the observations 1, 2, 3, ... of two elements; `wanted` has 0 for zeros."""
    count = lengths["history"]
    axes = (2 * count,) if lengths.get("history_joined") else (count, 2)
    read = [numbers(axes, [s * x for x in one for s in (1, -1)]) for one in wanted]
    given = [(x, -x) for x in range(1, len(wanted) + 1)]
    return reading(
        f"history/{name}", "A-11", STATE, given, {"y": ({"feature": STATE, **lengths}, read)}
    )


FRAME = feature("image/x", kind="image", layout="chw")
HISTORIES = [
    history("repeated", {"history": 3}, [(1, 1, 1), (1, 1, 2), (1, 2, 3), (2, 3, 4)]),
    history(
        "zeros",
        {"history": 3, "history_padding": "zeros"},
        [(0, 0, 1), (0, 1, 2), (1, 2, 3), (2, 3, 4)],
    ),
    history(
        "stride",
        {"history": 3, "history_stride": 2},
        [(1, 1, 1), (1, 1, 2), (1, 1, 3), (1, 2, 4), (1, 3, 5), (2, 4, 6)],
    ),
    history(
        "stride-zeros",
        {"history": 2, "history_stride": 3, "history_padding": "zeros"},
        [(0, 1), (0, 2), (0, 3), (1, 4), (2, 5)],
    ),
    history("joined", {"history": 2, "history_joined": True}, [(1, 1), (1, 2), (2, 3)]),
    AdapterCase(
        "history/joined-channels",
        "A-5 A-11",
        tags_of([leaf(["x"], {**FRAME, "layout": "hwc"})]),
        spec_of([{"name": "y", "feature": FRAME, "history": 2, "history_joined": True}]),
        tuple(
            Moment(
                # Of the pixels 0, 1 and 2, 3 the even numbers are the first channel.
                {
                    "y": numbers(
                        (4, 1, 2), [x + i for x in (old, new) for i in (0, 2, 1, 3)], "uint8"
                    )
                },
                entries(("x", numbers((1, 2, 2), (new, new + 1, new + 2, new + 3), "uint8"))),
            )
            for old, new in ((10, 10), (10, 20), (20, 30))
        ),
        dict_(("x", box("uint8", (1, 2, 2), 0, 255))),
    ),
]

# Texts.

ASCII = "".join(map(chr, range(32, 127)))
SAY = feature("text/x", kind="text")


def said(
    name: str, port: Facts, wanted: str | None, env: str | None, instruction: str | None
) -> AdapterCase:
    own = env is not None
    return AdapterCase(
        f"text/{name}",
        "A-12",
        tags_of([leaf(["t"], SAY)] if own else []),
        spec_of([{"name": "y", "feature": SAY, **port}]),
        (
            Moment(
                {} if wanted is None else {"y": string(wanted)},
                entries(("t", string(env))) if env is not None else entries(),
            ),
        ),
        dict_(("t", text(ASCII, 0, 40))) if own else NOTHING,
        instruction=instruction,
    )


WRITTEN = {"text": {"template": "Robot: {text}!", "lower": True, "default": "Wait {text}"}}
TEXTS = [
    said("instruction", {}, "Pick UP", None, "Pick UP"),
    said("instruction-first", {}, "Pick UP", "Own text", "Pick UP"),
    said("own", {}, "Own text", "Own text", None),
    said("own-empty", {"text": {"default": "Wait"}}, "", "", None),
    said("default", WRITTEN, "Robot: wait {text}!", None, None),
    said("default-not-used", WRITTEN, "Robot: own text!", "Own text", None),
    said("written", WRITTEN, "Robot: pick up!", None, "Pick UP"),
    said("left-out", {"optional": True}, None, None, None),
]
