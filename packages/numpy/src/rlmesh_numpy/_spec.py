"""`RemoteSpec`: a client's `gymnasium` spec, which makes environments at the client's address."""

from __future__ import annotations

import copy
import dataclasses
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import gymnasium
from gymnasium.envs.registration import EnvSpec

from rlmesh._client.connect import whole_address
from rlmesh._client.env_stub import EnvStub
from rlmesh._logs import warn
from rlmesh.errors import ClosedError
from rlmesh.specs import EnvContract

__all__ = ["RemoteSpec", "SharedStub", "add_served_facts", "lent_stub"]

_lender: ContextVar[EnvStub | None] = ContextVar("rlmesh_lender", default=None)

_AFTER_CLOSE = frozenset(("address", "contract", "transport"))
"""Attributes of a stub that are known after it was closed."""


class RemoteSpec(EnvSpec):
    """The spec of a remote environment.

    `make` connects to the same address. If the server has no other environment than the one that
    this client holds, `make` returns an environment that shares the client's session and its
    options, with a warning: Gymnasium's `check_env` makes environments while the one that it
    checks is open.
    """

    _client: weakref.ref[Any] | None = None
    _served: EnvSpec | None = None

    @classmethod
    def of(cls, spec: EnvSpec, client: Any) -> RemoteSpec:
        """Return a spec of a client with the fields of another spec."""
        made = cls(**_fields(spec))
        add_served_facts(made, client.env_contract)
        made._client = weakref.ref(client)
        made._served = _served_spec(client.env_contract)
        return made

    def to_json(self) -> str:
        """Return the spec of the served environment, if it is a registered one, as JSON.

        What is written outlives the address: a Minari dataset names the environment that it was
        recorded in, and recovers it by its id. To connect again, keep the address.
        """
        return super().to_json() if self._served is None else self._served.to_json()

    def make(self, **kwargs: Any) -> gymnasium.Env[Any, Any]:
        """Return an environment at the same address; see `gymnasium.make`."""
        client = None if self._client is None else self._client()
        with _lending(None if client is None else client._stub):
            return super().make(**kwargs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, EnvSpec) and _fields(self) == _fields(other)

    __hash__ = None  # type: ignore[assignment]  # EnvSpec is not hashable either.

    def __getstate__(self) -> dict[str, Any]:
        return {**vars(self), "_client": None}

    def __deepcopy__(self, memo: dict[int, Any]) -> RemoteSpec:
        # Wrappers and `gymnasium.make` copy specs; unlike a pickle, a copy stays with the client.
        made = RemoteSpec(**copy.deepcopy(_fields(self), memo))
        made._client, made._served = self._client, copy.deepcopy(self._served, memo)
        return made


def add_served_facts(spec: EnvSpec, contract: EnvContract) -> None:
    """Set what a spec leaves open, as the one of `rlmesh/Remote-v0` in Gymnasium's registry does.

    These are the served environment's limit of steps, reward threshold and determinism.
    """
    known = contract.registration
    if known is None:
        return
    if spec.max_episode_steps is None:
        spec.max_episode_steps = known.max_episode_steps
    if spec.reward_threshold is None:
        spec.reward_threshold = known.reward_threshold
    spec.nondeterministic = spec.nondeterministic or known.nondeterministic


def _fields(spec: EnvSpec) -> dict[str, Any]:
    fields = [field for field in dataclasses.fields(spec) if field.init]
    return {field.name: getattr(spec, field.name) for field in fields}


def _served_spec(contract: EnvContract) -> EnvSpec | None:
    """Return the spec that the served environment was made by; None if it was not by one."""
    known = contract.registration
    if known is None:
        return None
    here = gymnasium.registry.get(contract.id)
    entry_point = here.entry_point if here and isinstance(here.entry_point, str) else None
    kwargs = dict(known.kwargs)
    if contract.render_mode is not None:
        kwargs.setdefault("render_mode", contract.render_mode)
    try:
        return EnvSpec(
            contract.id,
            entry_point=entry_point,
            reward_threshold=known.reward_threshold,
            nondeterministic=known.nondeterministic,
            max_episode_steps=known.max_episode_steps,
            kwargs=kwargs,
        )
    except gymnasium.error.Error:  # The id is not one of Gymnasium's form.
        return None


@contextmanager
def _lending(stub: EnvStub | None) -> Generator[None, None, None]:
    token = _lender.set(stub)
    try:
        yield
    finally:
        _lender.reset(token)


def lent_stub(address: str | int) -> SharedStub | None:
    """Return the session of the client that `RemoteSpec.make` was called on; None: there is none.

    Called if the address is busy.
    """
    stub = _lender.get()
    if stub is None or stub.closed or stub.address != whole_address(address):
        return None
    warn(
        f"{address} serves one environment, which the client of this spec holds: spec.make() "
        f"returns the same environment, so that a reset or step of one changes the other",
        UserWarning,
        stacklevel=2,
    )
    return SharedStub(stub)


class SharedStub:
    """A second use of a stub; closing it leaves the session open.

    Args:
        stub: The stub.
    """

    def __init__(self, stub: EnvStub) -> None:
        self._stub = stub
        self._is_closed = False

    @property
    def closed(self) -> bool:
        """Whether this use or the session is over."""
        return self._is_closed or self._stub.closed

    def close(self) -> None:
        """End this use; may be called again."""
        self._is_closed = True

    def __getattr__(self, name: str) -> Any:
        if self.__dict__.get("_is_closed", True) and name not in _AFTER_CLOSE:
            raise ClosedError(f"the environment at {self._stub.address} is closed")
        return getattr(self._stub, name)
