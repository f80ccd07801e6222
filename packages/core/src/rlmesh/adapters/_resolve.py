"""`resolve`: fits a model to an environment from their descriptions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from rlmesh._problem import Problem
from rlmesh.adapters._adapter import Adapter, Input, Plan
from rlmesh.adapters._arrays import FLOAT32, Arrays
from rlmesh.adapters._coverage import Made, coverage_problems
from rlmesh.adapters._entrypoints import load_entrypoint
from rlmesh.adapters._fit import CHANNEL_AXES, Fit, standardized
from rlmesh.adapters._plans import ArrayInput, CalledInput, Output, TextInput
from rlmesh.adapters._problems import port_path, shortened
from rlmesh.adapters._slots import LeafSlot, slot_of
from rlmesh.adapters._spec import Adaptation, ModelInput, ModelOutput, ModelSpec
from rlmesh.adapters._spec_rules import spec_problems
from rlmesh.adapters._steps import Chain
from rlmesh.adapters._tags import EnvTags, FeatureKind, TaggedLeaf
from rlmesh.backends import ArrayBackend
from rlmesh.dtypes import DType
from rlmesh.errors import AdapterError
from rlmesh.spaces import Space, path_text

__all__ = ["resolve"]

MAX_HISTORY = 65_536
"""Largest number of observations that an input stacks: as many as a chunk has actions."""


class TaggedSpaces(Protocol):
    """The part of a `rlmesh.specs.EnvContract` that `resolve` reads."""

    @property
    def observation_space(self) -> Space[Any]:
        """Space of one observation."""
        ...

    @property
    def action_space(self) -> Space[Any]:
        """Space of one action."""
        ...

    @property
    def tags(self) -> EnvTags | None:
        """Meaning of the leaves of both spaces; None if nothing is declared."""
        ...


def resolve(
    contract: TaggedSpaces,
    spec: ModelSpec,
    *,
    backend: ArrayBackend,
    trust_entrypoints: bool = False,
) -> Adapter:
    """Return the adapter between an environment and a model.

    The rules are those of `rlmesh.adapters`.

    Args:
        contract: The environment's contract.
        spec: The model's spec. With an adaptation of NONE or DELEGATED the adapter changes nothing.
        backend: Backend of the arrays in observations and in the model's outputs: that of NumPy,
            PyTorch or JAX. Values of other libraries are converted on the way in.
        trust_entrypoints: Whether callables that the spec names may be imported. They run the code
            of the spec's author.

    Raises:
        AdapterError: If the two do not fit. The error has every reason: a role that no tag or two
            tags have; a conversion without a rule; a leaf of the action space that no output or two
            outputs make; another shape; an entry point that is not trusted; a rule of the contract
            that the spec or a tag in use breaks.
    """
    problems = [*spec_problems(spec), *_other_spaces(contract, spec)]
    if spec.adaptation is not Adaptation.RESOLVED:
        if problems:
            raise AdapterError(problems)
        return Adapter(None, contract.action_space)
    resolver = _Resolver(contract, Arrays(backend), problems, trust_entrypoints)
    inputs = tuple(plan for plan in map(resolver.input, spec.inputs) if plan is not None)
    outputs = tuple(plan for plan in map(resolver.output, spec.outputs) if plan is not None)
    problems += coverage_problems(contract.action_space, resolver.made)
    if problems:
        raise AdapterError(problems)
    return Adapter(Plan(inputs, outputs, resolver.arrays), contract.action_space)


def _other_spaces(contract: TaggedSpaces, spec: ModelSpec) -> Iterable[Problem]:
    for name in ("observation_space", "action_space"):
        wanted, given = getattr(spec, name), getattr(contract, name)
        if wanted is not None and wanted != given:
            fix = "use an environment with the space that the model was built for"
            yield Problem(name, shortened(wanted), shortened(given), fix)


class _Resolver:
    """The resolver of one spec's inputs and outputs; faults are appended to `problems`."""

    def __init__(
        self, contract: TaggedSpaces, arrays: Arrays, problems: list[Problem], trusted: bool
    ) -> None:
        self._contract = contract
        self._tags = contract.tags or EnvTags()
        self._trusted = trusted
        self.arrays = arrays
        self.problems = problems
        self.made: list[Made] = []

    def _slot(
        self, role: str, path: str, root: str, tags: Sequence[TaggedLeaf], space: Space[Any]
    ) -> LeafSlot | Problem | None:
        """Return the position of the one feature of a role, or None if there is none."""
        same = [tag for tag in tags if tag.feature.role == role]
        if not same:
            return None
        if len(same) > 1:
            slots = ", ".join(root + path_text(tag.path) for tag in same[:8])
            slots += f" and {len(same) - 8} more" if len(same) > 8 else ""
            fix = "give the environment's features distinct roles"
            return Problem(path, f"one feature with the role {role!r}", slots, fix)
        return slot_of(same[0], space, root)

    def _refuse_role(self, role: str, path: str, root: str, tags: Sequence[TaggedLeaf]) -> None:
        roles = sorted({tag.feature.role for tag in tags})
        actual = f"only {shortened(roles)}" if roles else f"no tags of the {root} space"
        expected = f"a feature of the {root} with the role {role!r}"
        fix = "tag the environment, or correct the role"
        self.problems.append(Problem(path, expected, actual, fix))

    def input(self, port: ModelInput) -> Input | None:
        """Return how an input is read; None if it is left out, or does not fit."""
        path = port_path("inputs", port.name)
        if port.history > MAX_HISTORY:
            expected = f"a history of at most {MAX_HISTORY}"
            self.problems.append(Problem(path, expected, str(port.history), "stack fewer"))
            return None
        if port.entrypoint:
            return self._called(port, path)
        tags, space = self._tags.observation, self._contract.observation_space
        found = self._slot(port.feature.role, path, "observation", tags, space)
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        is_text = port.feature.kind is FeatureKind.TEXT or (found is not None and found.is_text)
        if is_text:
            return self._text(port, path, found)
        if found is None:
            if not port.optional or port.name == "":
                self._refuse_role(port.feature.role, path, "observation", tags)
            return None
        if not self._holds(found.path, found.dtype, port.dtype):
            return None
        fit = self._fit(found, port, path)
        return ArrayInput(port.name, found, fit.inward(self.arrays), fit.history)

    def _holds(self, path: str, *elements: DType | None) -> bool:
        """Return whether the backend has the element types; report those that it lacks."""
        lacks = {e.name: self.arrays.lack(e) for e in elements if e is not None}
        fix = "use a backend that has the dtype"
        found = [Problem(path, f"an array of {e}", lack, fix) for e, lack in lacks.items() if lack]
        self.problems += found
        return not found

    def _fit(self, slot: LeafSlot, port: ModelInput | ModelOutput, path: str) -> Fit:
        fit = Fit(slot, port, path, self.problems)
        fit.check_shape()
        return fit

    def _text(self, port: ModelInput, path: str, slot: LeafSlot | None) -> TextInput | None:
        before = len(self.problems)
        fix = "correct the environment's tags, or the model's spec"
        if slot is not None and not slot.is_text:
            actual = f"a {slot.leaf.kind} at {slot.path}"
            self.problems.append(Problem(path, "a Text space", actual, fix))
        kind = port.feature.kind
        if kind not in (FeatureKind.TEXT, FeatureKind.UNSPECIFIED):
            self.problems.append(Problem(path, f"a feature of kind {kind.value}", "a text", fix))
        numeric = port.dtype or port.shape or port.normalization or port.feature.range
        if numeric or port.history > 1:
            expected = "neither dtype, shape, range, normalization nor history for a text"
            self.problems.append(Problem(path, expected, "one of them", "leave it out"))
        return (
            TextInput(port.name, path, port.optional, slot)
            if len(self.problems) == before
            else None
        )

    def _called(self, port: ModelInput, path: str) -> CalledInput | None:
        function = load_entrypoint(port.entrypoint, path, trusted=self._trusted)
        history = port.history if port.history > 1 else 0
        shape = port.shape
        if shape is not None and history:
            if shape[:1] != (history,):
                fix = "the shape's first axis is that of the history"
                self.problems.append(Problem(path, f"shape ({history}, ...)", f"{shape}", fix))
            shape = shape[1:]
        layout = port.feature.layout if port.feature.kind is FeatureKind.IMAGE else None
        normal = standardized(port, shape, CHANNEL_AXES.get(layout, 0), path)
        for part in (function, normal):
            if isinstance(part, Problem):
                self.problems.append(part)
        if isinstance(function, Problem) or isinstance(normal, Problem):
            return None
        if not self._holds(path, port.dtype):
            return None
        work = None if normal is None else self.arrays.working(port.dtype)
        chain = Chain(path, () if normal is None else (normal,), work, False, port.dtype)
        space, element = self._contract.observation_space, port.dtype or FLOAT32
        return CalledInput(port.name, function, space, chain, shape, element, history)

    def output(self, port: ModelOutput) -> Output | None:
        """Return how an output becomes a part of the action; None if it does not fit."""
        path = port_path("outputs", port.name)
        tags, space = self._tags.action, self._contract.action_space
        found = self._slot(port.feature.role, path, "action", tags, space)
        if found is None:
            self._refuse_role(port.feature.role, path, "action", tags)
            return None
        if isinstance(found, Problem):
            self.problems.append(found)
            return None
        self.made.append((found, path))
        if found.is_text or port.feature.kind is FeatureKind.TEXT:
            return self._text_output(port, path, found)
        if not self._holds(path, port.dtype):
            return None
        fit = self._fit(found, port, path)
        chain = fit.outward(self.arrays)
        element = self.arrays.held(port.dtype or chain.work or found.dtype)
        return Output(port.name, path, found, fit.shape, element, chain)

    def _text_output(self, port: ModelOutput, path: str, slot: LeafSlot) -> Output | None:
        kinds = (FeatureKind.TEXT, FeatureKind.UNSPECIFIED)
        if slot.is_text and port.feature.kind in kinds and not port.normalization:
            return Output(port.name, path, slot, (), FLOAT32, None)
        actual = f"a {slot.leaf.kind} at {slot.path}"
        fix = "correct the environment's tags, or the model's spec"
        self.problems.append(Problem(path, f"kind {port.feature.kind.value}", actual, fix))
        return None
