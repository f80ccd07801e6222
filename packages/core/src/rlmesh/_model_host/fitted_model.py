"""`FittedModel`: a model fitted to one environment's contract, shared by its sessions."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Sequence
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh._messages import env as m
from rlmesh._policy.forms import ModelForms
from rlmesh._reusable_buffer import joined
from rlmesh._session.server_session import RequestRefused
from rlmesh._wire.contract import route_key
from rlmesh._wire.failures import failure_of_exception
from rlmesh.adapters import PredictForm
from rlmesh.backends import ArrayBackend, Buffer
from rlmesh.errors import AdapterError, InvalidValueError, RLMeshError
from rlmesh.spaces import Space, path_text
from rlmesh.specs import EnvContract
from rlmesh.tensor import Tensor

__all__ = ["FittedModel", "FittedModelCache", "refusal", "rows"]


class FittedModel:
    """A model, fitted to the spaces and tags of a contract.

    Args:
        forms: The model, fitted.
        contract: The contract.
        backend: Backend of the values that the model reads and returns.

    Attributes:
        forms: The model, fitted.
        contract: The contract; those of other sessions may have another id.
        backend: Backend of the values that the model reads and returns.
    """

    def __init__(self, forms: ModelForms, contract: EnvContract, backend: ArrayBackend) -> None:
        self.forms = forms
        self.contract = contract
        self.backend = backend
        self._joint = SpaceCodec(
            contract.observation_space, backend, root="observation", validation="off"
        )

    def can_batch(self, chunked: bool) -> bool:
        """Return whether several observations can be asked for at once."""
        form = PredictForm.CHUNK_BATCH if chunked else PredictForm.BATCH
        return form in self.forms.available

    def join(self, batches: Sequence[Sequence[Buffer]], count: int) -> Any:
        """Join batches of observations to one of `count`, from their slabs.

        The values at each place of a space stand one after another in one slab, whatever its
        family (V-2), so the slabs of a joined batch are the joined slabs. The batch is the model's.
        """
        slabs = [joined(parts) for parts in zip(*batches)]
        return self._joint.decode_batch(slabs, count)


class FittedModelCache:
    """Fits a model to contracts, once for all sessions with equal spaces and tags.

    Args:
        fit: The model, fitted to a contract.
        backend: Backend of the values that the model reads and returns.
        expose_tracebacks: Whether clients see the tracebacks of exceptions.
    """

    def __init__(
        self,
        fit: Callable[[EnvContract], ModelForms],
        backend: ArrayBackend,
        *,
        expose_tracebacks: bool,
    ) -> None:
        self._fit = fit
        self._backend = backend
        self._expose_tracebacks = expose_tracebacks
        self._lock = threading.Lock()
        self._known: weakref.WeakValueDictionary[bytes, FittedModel] = weakref.WeakValueDictionary()

    def fitted(self, contract: EnvContract) -> FittedModel:
        """Return the model, fitted to a contract.

        Raises:
            RequestRefused: If the model cannot serve it, with the reason and the path (P-3).
        """
        key = route_key(contract)
        with self._lock:
            known = self._known.get(key)
            if known is None:
                known = self._known[key] = self._new(contract)
            return known

    def _new(self, contract: EnvContract) -> FittedModel:
        try:
            return FittedModel(self._fit(contract), contract, self._backend)
        except AdapterError as error:
            raise RequestRefused(refusal(error, "P-3")) from error
        except RLMeshError as error:
            path = getattr(error, "path", "")
            raise RequestRefused(
                m.Failure(m.ErrorCode.UNSUPPORTED, f"P-3: {error}", path=path)
            ) from error
        except BaseException as error:
            expose_tracebacks = self._expose_tracebacks
            failure = failure_of_exception(error, "resolve", expose_traceback=expose_tracebacks)
            raise RequestRefused(failure) from error


def refusal(error: AdapterError, rule: str) -> m.Failure:
    """Return the refusal of a model that does not fit, by a rule; Y-5: by an entry point."""
    first = error.problems[0]
    return m.Failure(
        m.ErrorCode.PERMISSION_DENIED if error.forbidden else m.ErrorCode.UNSUPPORTED,
        f"{'Y-5' if error.forbidden else rule}: {error}",
        path=first.path,
        expected=first.expected,
        actual=first.actual,
    )


def rows(
    batch: Any, space: Space[Any], count: int, start: int, stop: int, path: str = "action"
) -> Any:
    """Return a part of a batch of `count` values of a space.

    Raises:
        InvalidValueError: If it is no such batch.
    """
    if space.kind in ("dict", "tuple"):
        parts = {}
        for key, part in space.children:
            inner = path + path_text((key,))
            try:
                parts[key] = rows(batch[key], part, count, start, stop, inner)
            except (KeyError, IndexError, TypeError):
                got = f"a {type(batch).__name__}"
                raise InvalidValueError(inner, "a batch of values", got, side="action") from None
        return parts if space.kind == "dict" else tuple(parts.values())
    length = len(batch) if hasattr(batch, "__len__") else None
    if length != count:
        got = f"a {type(batch).__name__}" if length is None else f"one of {length}"
        raise InvalidValueError(path, f"a batch of {count}", got, side="action")
    if isinstance(batch, Tensor):
        size = batch.nbytes // count
        data = batch.buffer[start * size : stop * size]
        return Tensor(data, batch.dtype, (stop - start, *batch.shape[1:]))
    return batch[start:stop]
