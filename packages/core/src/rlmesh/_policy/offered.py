"""The forms that a served model has itself, as its spec reports them."""

from __future__ import annotations

from rlmesh.adapters import ModelSpec, PredictForm

__all__ = ["OFFERED_KEY", "own_forms"]

OFFERED_KEY = "rlmesh.offered"
"""Key of a spec's metadata: which of its forms the model has itself, so that evaluation asks it in
the same one wherever it is. A spec without it is taken to have all of them."""


def own_forms(spec: ModelSpec) -> frozenset[PredictForm]:
    """Return the forms that a served model has itself; all that it offers if none is known."""
    available = frozenset(spec.predict_forms)
    names = spec.metadata.get(OFFERED_KEY)
    if not isinstance(names, (list, tuple)):
        return available
    return frozenset(form for form in available if form.value in names) or available
