"""`resolve`: fits a model to an environment from their descriptions."""

from __future__ import annotations

from collections.abc import Iterable

from rlmesh._problem import Problem
from rlmesh.adapters._adapter import Adapter, Conversions
from rlmesh.adapters._advice import advisories_of
from rlmesh.adapters._arrays import Arrays
from rlmesh.adapters._coverage import coverage_problems
from rlmesh.adapters._matching import Matching, TaggedSpaces
from rlmesh.adapters._problems import shortened
from rlmesh.adapters._resolve_inputs import InputResolver
from rlmesh.adapters._resolve_outputs import resolve_output
from rlmesh.adapters._spec import Adaptation, ModelSpec
from rlmesh.adapters._spec_rules import spec_problems
from rlmesh.backends import ArrayBackend
from rlmesh.errors import AdapterError

__all__ = ["resolve"]


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
    if problems or spec.adaptation is not Adaptation.RESOLVED:
        # A spec that breaks rules of its own is not matched: what follows from them is noise.
        if problems:
            raise AdapterError(problems)
        return Adapter(None, contract.action_space)
    matching = Matching(contract, Arrays(backend), trust_entrypoints, problems)
    found = [resolve_output(port, matching) for port in spec.outputs]
    outputs = tuple(plan for plan in found if plan is not None)
    resolver = InputResolver(matching, outputs)
    inputs = tuple(plan for plan in map(resolver.input, spec.inputs) if plan is not None)
    # Inputs may need the outputs, which come first therefore; readers look for the inputs first.
    problems.sort(key=lambda problem: problem.path.startswith("outputs"))
    problems += coverage_problems(contract.action_space, matching.made)
    if problems:
        raise AdapterError(problems)
    made = Conversions(
        inputs,
        outputs,
        matching.arrays,
        tuple(matching.states.items()),
        frozenset(resolver.previous),
        advisories_of(contract, spec, inputs, outputs),
    )
    return Adapter(made, contract.action_space)


def _other_spaces(contract: TaggedSpaces, spec: ModelSpec) -> Iterable[Problem]:
    for name in ("observation_space", "action_space"):
        wanted, given = getattr(spec, name), getattr(contract, name)
        if wanted is not None and wanted != given:
            fix = "use an environment with the space that the model was built for"
            yield Problem(name, shortened(wanted), shortened(given), fix)
