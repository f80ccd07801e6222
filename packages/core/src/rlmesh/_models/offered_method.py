"""`offered`: methods of a client that depend on what its model offers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from rlmesh._policy.observing import needed_by_spec
from rlmesh.adapters import PredictForm

__all__ = ["offered"]

F = TypeVar("F", bound=Callable[..., Any])


class _Offered:
    """A method that a `RemoteModel` has only if its model offers what the method asks for.

    Args:
        form: Predict form that the method asks for; None: it passes on an observation, for a model
            with predictions that depend on earlier ones.
        method: The method.
    """

    def __init__(self, form: PredictForm | None, method: Callable[..., Any]) -> None:
        self._form = form
        self._method = method
        self.__doc__ = method.__doc__

    def __get__(self, model: Any, owner: type) -> Any:
        if model is None:
            return self._method
        spec, name = model.spec, self._method.__name__
        if self._form is None and needed_by_spec(spec) == 0:
            raise AttributeError(
                f"{model.address} needs no {name}: its predictions do not depend on earlier "
                f"observations"
            )
        if self._form is not None and self._form not in spec.predict_forms:
            forms = ", ".join(form.value for form in spec.predict_forms)
            raise AttributeError(f"{model.address} offers no {name}; it offers {forms}")
        return self._method.__get__(model, owner)


def offered(form: PredictForm | None) -> Callable[[F], F]:
    """Return a decorator of a method of `RemoteModel`; see `_Offered`."""

    def wrapped(method: F) -> F:
        return cast("F", _Offered(form, method))

    return wrapped
