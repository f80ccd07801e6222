"""`ModelServer`: serves a model to clients in other processes."""

from __future__ import annotations

from dataclasses import replace
from typing import Protocol

from rlmesh._model_host.fitted_model import FittedModelCache
from rlmesh._model_host.servicer_provider import ModelServicerProvider
from rlmesh._policy.forms import ModelForms
from rlmesh._policy.offered import OFFERED_KEY
from rlmesh._server.arguments import resolve_server_arguments
from rlmesh._server.base import BaseServer
from rlmesh._server.listeners import transport_capabilities
from rlmesh._server.recording import new_telemetry
from rlmesh._session.session_manager import SessionManager
from rlmesh._session.versions import this_server
from rlmesh._transport.limits import MAX_MESSAGE_BYTES
from rlmesh._wire.model_codec import ModelWireCodec
from rlmesh._wire.services import MODEL_SERVICE
from rlmesh._wire.spec import SPEC_VERSION
from rlmesh.adapters import Adaptation, PredictForm
from rlmesh.backends import ArrayBackend, contract_backend
from rlmesh.options import TLS, ServeOptions
from rlmesh.specs import Capability, EnvContract, ModelSpec, SessionTerms

__all__ = ["ModelServer"]

MAX_SESSIONS = 500
"""Each has a thread for its stream, and a second one for a moment when it is resumed."""


class ServableModel(Protocol):
    """The part of a `Model` that a server calls."""

    @property
    def forms(self) -> ModelForms:
        """Forms in which the model can be asked."""
        ...

    @property
    def model_spec(self) -> ModelSpec:
        """Spec that clients read."""
        ...

    @property
    def _backend(self) -> ArrayBackend: ...

    def fitted(self, contract: EnvContract) -> ModelForms:
        """Return the model, fitted to the spaces and tags of a contract."""
        ...


class ModelServer(BaseServer):
    """Serves a model to any number of sessions, each of which plays episodes in lanes of its own.

    The model is loaded when the server is made, and called from one thread only: the caller's with
    `serve`, one of the server's own with `start`. Requests of sessions on environments with
    equal spaces and tags are gathered into one call, if the model has a batch form
    (`ServeOptions.max_batch_size` and `max_batch_delay_ms`). If such a call fails, each of its
    requests is tried alone, so that one fails alone; entries of an episode's `state` are set back
    before that, but not what is inside of them.

    Args:
        model: The model: of `rlmesh`, `rlmesh.numpy`, `rlmesh.torch` or `rlmesh.jax`.
        address: "host:port", "tcp://host:port", "grpcs://host:port" (TLS), "unix:///path" or a bare
            port; of frames alone, without gRPC: "frames://host:port", "framess://host:port" (TLS)
            or "frames+unix:///path". An IPv6 address is in brackets ("[::1]:5555"). None: made of
            `host`, `port` and `path`; without these, loopback and a free port.
        host: Host name or IP address; loopback by default.
        port: TCP port; 0 picks a free one.
        path: Path of a Unix socket.
        options: How to serve; None: from the variables `RLMESH_...`
            (`ServeOptions.from_environment`). `validation` decides about actions of the
            model outside their space.
        token: Bearer token that clients must show; empty: none.
        tls: Certificates; clients then connect to `grpcs://host:port` or `framess://host:port`.
        max_sessions: How many sessions may be open at once; others wait or are refused.

    Raises:
        AddressError: If the address is none, or cannot be bound.
        CodecError: If the model's spec breaks a rule of the contract; the message has the path.
        LimitError: If the spec is too large for a message.
        ValueError: If `max_sessions` is below 1.
        TypeError: If `model` is no `Model`.
        Exception: What loading the model raises.
    """

    def __init__(
        self,
        model: ServableModel,
        address: str | int | None = None,
        *,
        host: str | None = None,
        port: int | None = None,
        path: str | None = None,
        options: ServeOptions | None = None,
        token: str = "",
        tls: TLS | None = None,
        max_sessions: int = MAX_SESSIONS,
    ) -> None:
        if max_sessions < 1:
            raise ValueError(f"max_sessions={max_sessions!r}; expected 1 or more")
        where, options, expose_tracebacks = resolve_server_arguments(
            address, host, port, path, tls, options
        )
        if not (hasattr(model, "forms") and hasattr(model, "model_spec")):
            raise TypeError(
                f"expected a Model, got a {type(model).__name__}; pass rlmesh.Model(...) of it, or "
                f"the Model of rlmesh.numpy, rlmesh.torch or rlmesh.jax"
            )
        self._spec = _offered_spec(model)
        servicers = _new_servicers(model, options, max_sessions, expose_tracebacks)
        manager = _new_manager(model, self._spec, servicers, options, expose_tracebacks)
        manager.check_description()
        telemetry = new_telemetry(
            self._spec.id, lambda: ModelWireCodec(contract_backend()).read_reply
        )
        super().__init__(servicers.thread, manager, options, self._spec.id, telemetry)
        model.forms.load()
        self._bind(MODEL_SERVICE, where, token, tls)
        self._listen_beside(token, tls)

    @property
    def spec(self) -> ModelSpec:
        """Spec that clients receive."""
        return self._spec

    def __repr__(self) -> str:
        return f"ModelServer({self._spec.id!r}, {self._address!r})"


def _offered_spec(model: ServableModel) -> ModelSpec:
    """Return the spec that clients of a model receive."""
    spec, offered = model.model_spec, model.forms.offered
    own = [form.value for form in spec.predict_forms if form in offered]
    metadata = {**spec.metadata, OFFERED_KEY: own}
    return replace(spec, spec_version=SPEC_VERSION, metadata=metadata)


def _new_servicers(
    model: ServableModel, options: ServeOptions, max_sessions: int, expose_tracebacks: bool
) -> ModelServicerProvider:
    return ModelServicerProvider(
        FittedModelCache(model.fitted, model._backend, expose_tracebacks=expose_tracebacks),
        (options.max_batch_size, options.max_batch_delay_ms / 1000),
        options.validation,
        max_sessions,
        expose_tracebacks=expose_tracebacks,
    )


def _new_manager(
    model: ServableModel,
    spec: ModelSpec,
    servicers: ModelServicerProvider,
    options: ServeOptions,
    expose_tracebacks: bool,
) -> SessionManager:
    can = {Capability.QUEUE, Capability.EPISODE_STEPS, *transport_capabilities(options)}
    if model.forms.can_observe:
        can.add(Capability.OBSERVE)
    if model.forms.takes_prefix and spec.adaptation is not Adaptation.RESOLVED:
        can.add(Capability.ACTION_PREFIX)
    if {PredictForm.BATCH, PredictForm.CHUNK_BATCH}.intersection(spec.predict_forms):
        can.add(Capability.BATCH)
    return SessionManager(
        served=spec,
        server=this_server(frozenset(can)),
        terms=SessionTerms(options.grace_period, MAX_MESSAGE_BYTES, options.idle_timeout),
        servicers=servicers,
        codec=ModelWireCodec(contract_backend()),
        expose_tracebacks=expose_tracebacks,
    )
