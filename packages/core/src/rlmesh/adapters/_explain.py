"""`Explanation`: what an adapter does, as a table for people."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh._printable import escape_control_chars
from rlmesh.adapters._advice import Advisory
from rlmesh.adapters._plan import Plan, PlanEntry, PlanStep

__all__ = ["Explanation", "Row", "explanation_of"]


@dataclass(frozen=True)
class Row:
    """One line of an explanation.

    Attributes:
        source: Where the value comes from ("observation['image']").
        steps: The conversions, in order, in words.
        target: Where the value goes ("inputs['image']").
    """

    source: str
    steps: tuple[str, ...]
    target: str


@dataclass(frozen=True)
class Explanation:
    """What an adapter does: `print` shows it as text, a notebook as a table.

    Attributes:
        rows: One for each input, each part of one, and each output.
        advisories: What was substituted, dropped, filled or assumed.
    """

    rows: tuple[Row, ...]
    advisories: tuple[Advisory, ...]

    @property
    def _lines(self) -> list[tuple[str, str, str]]:
        """The cells of each row, safe to print: a peer may have written names (Y-10)."""
        cells = ((row.source, ", ".join(row.steps) or "unchanged", row.target) for row in self.rows)
        escape = escape_control_chars
        return [(escape(first), escape(second), escape(third)) for first, second, third in cells]

    @property
    def _notes(self) -> list[str]:
        """The advisories, safe to print."""
        notes = (f"{one.level}: {one.path}: {one.message}" for one in self.advisories)
        return [escape_control_chars(note) for note in notes]

    def __str__(self) -> str:
        if not self.rows:
            return "values pass through unchanged"
        lines = self._lines
        first, second = (max(len(line[i]) for line in lines) for i in (0, 1))
        second = min(second, 72)
        text = [f"{a:<{first}}  {b:<{second}}  {c}" for a, b, c in lines]
        text += self._notes
        return "\n".join(text)

    def _repr_html_(self) -> str:
        rows = "".join(
            f"<tr>{''.join(f'<td>{html.escape(cell)}</td>' for cell in line)}</tr>"
            for line in self._lines
        )
        notes = "".join(f"<li>{html.escape(note)}</li>" for note in self._notes)
        head = "<tr><th>from</th><th>conversions</th><th>to</th></tr>"
        return f"<table>{head}{rows}</table>" + (f"<ul>{notes}</ul>" if notes else "")


def explanation_of(plan: Plan | None) -> Explanation:
    """Return a plan as a table; None: values pass through unchanged."""
    if plan is None:
        return Explanation((), ())
    rows = [row for entry in plan.inputs for row in _rows(entry)]
    return Explanation((*rows, *map(_row, plan.outputs)), plan.advisories)


def _rows(entry: PlanEntry) -> Iterator[Row]:
    """Yield the rows of an input: those of its parts, then its own."""
    called = entry.steps[:1] if entry.steps and entry.steps[0].kind == "call" else ()
    if not (called or entry.source == "parts"):
        yield _row(entry)
        return
    name = called[0]["function"].rpartition(":")[2] if called else ""
    target = f"  given to {name}" if called else f"  part of {entry.target}"
    yield from (_row(part, target) for part in entry.parts)
    given = ", ".join(part.target for part in entry.parts) or "observation"
    source = f"{name}({given})" if called else f"{len(entry.parts)} parts"
    yield Row(source, _words(entry.steps[len(called) :]), entry.target)


def _row(entry: PlanEntry, target: str = "") -> Row:
    source, steps = entry.source, entry.steps
    if source == "constant":
        source, steps = f"constant {_numbers(steps[0]['numbers'])}", steps[1:]
    return Row(source, _words(steps), target or entry.target)


def _words(steps: Sequence[PlanStep]) -> tuple[str, ...]:
    return tuple(text for step in steps for text in _WORDS[step.kind](step) if text)


def _history_words(step: PlanStep) -> str:
    text = f"the latest {step['count']}"
    if step["stride"] != 1:
        text += f", {step['stride']} steps apart"
    if step["axis"] is not None:
        text += ", joined"
    return text + (", zeros at the start" if step["zeros"] else "")


def _text_words(step: PlanStep) -> Iterator[str]:
    if step["default"] is not None:
        yield f"{step['default']!r} if there is none"
    if step["lower"]:
        yield "in lower case"
    if step["template"]:
        yield f"as {step['template']!r}"


def _numbers(numbers: Any) -> str:
    flat = list(_flat(numbers))
    values = [f"{x:g}" for x in flat[:4]]
    if len(flat) > 4:
        values.append("...")
    return values[0] if len(flat) == 1 else f"[{', '.join(values)}]"


def _flat(numbers: Any) -> Iterator[float]:
    if not isinstance(numbers, tuple):
        yield numbers
        return
    for part in numbers:
        yield from _flat(part)


def _image_words(step: PlanStep) -> str:
    pairs = (step["layouts"], step["colors"])
    return ", ".join(f"{a} to {b}" for a, b in pairs if a != b)


def _turn_words(step: PlanStep) -> str:
    words = ["mirrored"] if step["mirrored"] else []
    if step["quarter_turns"]:
        words.append(f"turned by {step['quarter_turns'] * 90} degrees")
    return " and ".join(words)


def _resize_words(step: PlanStep) -> str:
    height, width = step["crop"][2:]
    inner, size = step["inner"], step["size"]
    words = f"resized to {inner[0]}x{inner[1]} by {step['resampler']}"
    if (height, width) == inner:
        words = ""
    if (height, width) != step["given"]:
        words = f"cropped to {height}x{width}" + (f", {words}" if words else "")
    if inner != size:
        fill = "/".join(f"{x:g}" for x in step["fill"])
        words += f", padded to {size[0]}x{size[1]} with {fill}"
    return words.removeprefix(", ")


def _depth_words(step: PlanStep) -> str:
    sides = (step["source"], step["target"])
    words = "depth " + " to ".join("distance" if s is None else s["encoding"] for s in sides)
    if step["factor"] != 1:
        words += f" times {step['factor']:g}"
    limit = step["target"]
    return words if limit is None else f"{words} within {limit['near']:g} to {limit['far']:g}"


def _interval_words(step: PlanStep) -> str:
    ends = (_numbers(step[name]) for name in ("start", "end", "low", "high"))
    return "[{}, {}] to [{}, {}]".format(*ends)


def _standardize_words(step: PlanStep) -> str:
    mean, std = _numbers(step["mean"]), _numbers(step["std"])
    return f"times {std} plus {mean}" if step["undone"] else f"minus {mean} by {std}"


def _gripper_words(step: PlanStep) -> str:
    ends = zip(("closed", "open"), step["source"], step["target"])
    return ", ".join(f"{name} {a:g} to {b:g}" for name, a, b in ends)


def _rotate_words(step: PlanStep) -> str:
    names = (form["axes"] or form["format"] for form in (step["source"], step["target"]))
    return " to ".join(names) + (" with its sign" if step["target"]["keeps_sign"] else "")


def _relative_words(step: PlanStep) -> str:
    return f"minus {step['key']}" if step["subtracts"] else f"added to {step['key']}"


def _one(words: Callable[[PlanStep], str]) -> Callable[[PlanStep], Sequence[str]]:
    return lambda step: (words(step),)


_WORDS: dict[str, Callable[[PlanStep], Iterator[str] | Sequence[str]]] = {
    "affine": _one(lambda s: f"times {s['scale']:g} plus {s['shift']:g}"),
    "calculate_in": lambda s: (),
    "cast": _one(lambda s: f"as {s['dtype']}"),
    "clip": _one(lambda s: f"within [{_numbers(s['low'])}, {_numbers(s['high'])}]"),
    "distance": _one(_depth_words),
    "ends": _one(_gripper_words),
    "factor": _one(lambda s: f"times {s['factor']:g}"),
    "follow": _one(lambda s: "with the nearest sign"),
    "history": _one(_history_words),
    "image": _one(_image_words),
    "in_source_type": _one(lambda s: _image_words(s["step"])),
    "interval": _one(_interval_words),
    "jpeg": _one(lambda s: f"through JPEG of quality {s['quality']}"),
    "pad": _one(lambda s: f"filled with {s['count']} times {_numbers(s['value'])}"),
    "relative": _one(_relative_words),
    "reorder": _one(lambda s: f"elements {', '.join(map(str, s['order']))}"),
    "reshape": _one(lambda s: f"reshaped to {s['shape']}"),
    "resize": _one(_resize_words),
    "rotate": _one(_rotate_words),
    "round": _one(lambda s: "rounded"),
    "shortest": _one(lambda s: "in the shortest form"),
    "slice": _one(lambda s: f"elements {s['start']} to {s['stop'] - 1}"),
    "snap": _one(lambda s: f"{s['high']:g} from {s['threshold']:g} on, else {s['low']:g}"),
    "standardize": _one(_standardize_words),
    "text": _text_words,
    "turn": _one(_turn_words),
}
"""The words of each kind of step."""
