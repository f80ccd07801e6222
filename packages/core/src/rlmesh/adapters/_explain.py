"""`Explanation`: what an adapter does, as a table for people."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rlmesh._printable import escape_control_chars
from rlmesh.adapters._advice import Advisory
from rlmesh.adapters._arrays import Numbers
from rlmesh.adapters._chain import Chain
from rlmesh.adapters._image_steps import Distance, Image, InSourceType, Jpeg, Turn
from rlmesh.adapters._images import Resize
from rlmesh.adapters._parts import ConstantPart, FeaturePart, History, Part
from rlmesh.adapters._plans import ArrayInput, JoinedInput, Output, TextInput
from rlmesh.adapters._stateful_steps import Follow, Relative
from rlmesh.adapters._steps import (
    Affine,
    Clip,
    Ends,
    Factor,
    Interval,
    Pad,
    Reorder,
    Reshape,
    Rotate,
    Shortest,
    Snap,
    Standardize,
)
from rlmesh.adapters._transforms import TextTransform

__all__ = ["Explanation", "Row", "explained_inputs", "explained_outputs"]


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


def explained_inputs(inputs: Sequence[Any]) -> Iterator[Row]:
    """Yield the rows of a plan's inputs."""
    for one in inputs:
        if isinstance(one, TextInput):
            source = "instruction" if one.slot is None else f"instruction, else {one.slot.path}"
            yield Row(source, tuple(_text_words(one.transform)), one.path)
            continue
        history = () if one.history is None else (_history_words(one.history),)
        if isinstance(one, ArrayInput):
            steps = (*_chain_words(one.feature.chain), *history)
            yield Row(one.feature.slot.path, steps, one.path)
        elif isinstance(one, JoinedInput):
            yield from (_part_row(part, f"  part of {one.path}") for part in one.parts)
            yield Row(f"{len(one.parts)} parts", (*_chain_words(one.chain), *history), one.path)
        else:
            name = getattr(one.function, "__qualname__", type(one.function).__qualname__)
            yield from (_part_row(part, f"  given to {name}") for _, part in one.features)
            given = ", ".join(role for role, _ in one.features) or "observation"
            yield Row(f"{name}({given})", (*_chain_words(one.chain), *history), one.path)


def explained_outputs(outputs: Sequence[Output]) -> Iterator[Row]:
    """Yield the rows of a plan's outputs."""
    for one in outputs:
        source = one.path
        if one.constant is not None:
            source = f"constant {_numbers(one.constant)}"
        steps = () if one.chain is None else tuple(_chain_words(one.chain))
        yield Row(source, steps, one.slot.path)


def _part_row(part: Part, target: str) -> Row:
    if isinstance(part, ConstantPart):
        return Row(f"constant {_numbers(part.numbers)}", (), target)
    if isinstance(part, FeaturePart):
        cut = () if part.start is None else (f"elements {part.start} to {part.stop - 1}",)
        return Row(part.slot.path, (*_chain_words(part.chain), *cut), target)
    source = f"output {part.name!r} of the step before"
    return Row(source, tuple(_chain_words(part.chain)), target)


def _history_words(history: History) -> str:
    text = f"the latest {history.count}"
    if history.stride != 1:
        text += f", {history.stride} steps apart"
    if history.axis is not None:
        text += ", joined"
    return text + (", zeros at the start" if history.zeros else "")


def _text_words(transform: TextTransform) -> Iterator[str]:
    if transform.default is not None:
        yield f"{transform.default!r} if there is none"
    if transform.lower:
        yield "in lower case"
    if transform.template:
        yield f"as {transform.template!r}"


def _chain_words(chain: Chain) -> Iterator[str]:
    for step in (*chain.before, *chain.steps):
        words = _WORDS[type(step)](step)
        if words:
            yield words
    if chain.rounds:
        yield "rounded"
    if chain.target is not None:
        yield f"as {chain.target}"


def _numbers(numbers: Numbers) -> str:
    values = [f"{x:g}" for x in numbers.values[:4]]
    if len(numbers.values) > 4:
        values.append("...")
    return values[0] if len(numbers.values) == 1 else f"[{', '.join(values)}]"


def _image_words(step: Image) -> str:
    pairs = (step.layouts, step.colors)
    return ", ".join(f"{a.value} to {b.value}" for a, b in pairs if a is not b)


def _turn_words(step: Turn) -> str:
    words = ["mirrored"] if step.mirrored else []
    if step.quarter_turns:
        words.append(f"turned by {step.quarter_turns * 90} degrees")
    return " and ".join(words)


def _resize_words(step: Resize) -> str:
    top, left, height, width = step.crop
    words = f"resized to {step.inner[0]}x{step.inner[1]} by {step.resampler.value}"
    if (height, width) == step.inner:
        words = ""
    if top or left:
        words = f"cropped to {height}x{width}" + (f", {words}" if words else "")
    if step.inner != step.size:
        fill = "/".join(f"{x:g}" for x in step.fill)
        words += f", padded to {step.size[0]}x{step.size[1]} with {fill}"
    return words.removeprefix(", ")


def _depth_words(step: Distance) -> str:
    names = (
        "distance" if side is None else side.encoding.value for side in (step.source, step.target)
    )
    words = "depth " + " to ".join(names)
    if step.factor != 1:
        words += f" times {step.factor:g}"
    limit = step.target
    return words if limit is None else f"{words} within {limit.near:g} to {limit.far:g}"


def _interval_words(step: Interval) -> str:
    ends = (_numbers(n) for n in (step.start, step.end, step.low, step.high))
    return "[{}, {}] to [{}, {}]".format(*ends)


def _standardize_words(step: Standardize) -> str:
    mean, std = _numbers(step.mean), _numbers(step.std)
    return f"times {std} plus {mean}" if step.undone else f"minus {mean} by {std}"


def _gripper_words(step: Ends) -> str:
    ends = zip(("closed", "open"), step.source, step.target)
    return ", ".join(f"{name} {a:g} to {b:g}" for name, a, b in ends)


def _rotate_words(step: Rotate) -> str:
    names = (form.axes or form.format.value for form in (step.source, step.target))
    return " to ".join(names) + (" with its sign" if step.target.keeps_sign else "")


def _relative_words(step: Relative) -> str:
    return f"minus {step.key}" if step.subtracts else f"added to {step.key}"


_WORDS: dict[type, Callable[[Any], str]] = {
    Affine: lambda s: f"times {s.scale:g} plus {s.shift:g}",
    Clip: lambda s: f"within [{_numbers(s.low)}, {_numbers(s.high)}]",
    Distance: _depth_words,
    Ends: _gripper_words,
    Factor: lambda s: f"times {s.factor:g}",
    Follow: lambda s: "with the nearest sign",
    Image: _image_words,
    InSourceType: lambda s: _image_words(s.step),
    Interval: _interval_words,
    Jpeg: lambda s: f"through JPEG of quality {s.quality}",
    Pad: lambda s: f"filled with {s.count} times {_numbers(s.value)}",
    Relative: _relative_words,
    Reorder: lambda s: f"elements {', '.join(map(str, s.order))}",
    Reshape: lambda s: f"reshaped to {s.shape}",
    Resize: _resize_words,
    Rotate: _rotate_words,
    Shortest: lambda s: "in the shortest form",
    Snap: lambda s: f"{s.high:g} from {s.threshold:g} on, else {s.low:g}",
    Standardize: _standardize_words,
    Turn: _turn_words,
}
"""The words of each kind of step."""
