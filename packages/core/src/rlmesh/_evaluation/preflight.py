"""`Preflight`: a look at the first episode of a task, for signs of wrong declarations.

Nothing is played for it: a `WatchedEpisode` is an episode of the run, which also shows its
observations and actions to a probe. Every later episode is an ordinary `RunningEpisode`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

from rlmesh._codec import SpaceCodec
from rlmesh._evaluation.episode import RunningEpisode
from rlmesh._evaluation.lanes import StepResult
from rlmesh._logs import logger
from rlmesh.adapters import Finding, ModelSpec, Probe
from rlmesh.adapters._adapter import Adapter, Conversions
from rlmesh.adapters._plans import ArrayInput, JoinedInput, feature_parts
from rlmesh.adapters._tags import FeatureKind
from rlmesh.backends import ArrayBackend, contract_backend
from rlmesh.errors import AdapterError
from rlmesh.spaces import Space
from rlmesh.specs import EnvContract

__all__ = ["Preflight", "WatchedEpisode", "check_findings"]

_log = logger("rlmesh.evaluate")


class Preflight:
    """The look at the first episode of a task that ends.

    Args:
        adapter: The adapter of the pair, for NumPy values.
        spec: The model's spec.
        contract: Contract of the environment.
        backend: Backend of the model's values.
        task: Name of the task; empty: the run is not one of a suite.
        is_strict: Whether no other episode of the task begins meanwhile.
        named: Returns the path of an observation's part in whole observations.
    """

    def __init__(
        self,
        adapter: Adapter,
        spec: ModelSpec,
        contract: EnvContract,
        backend: ArrayBackend,
        *,
        task: str = "",
        is_strict: bool = False,
        named: Callable[[str], str] = str,
    ) -> None:
        made = adapter._conversions
        assert made is not None
        self._adapter = adapter
        self._spec = spec
        self._observation = _to_numpy(contract.observation_space, backend)
        self._action = _to_numpy(contract.action_space, backend)
        self._task = task
        self._named = named
        self._watched: WatchedEpisode | None = None
        self.is_strict = is_strict
        # Inputs of entry points are left out: a second call could change what the first one did.
        inputs = [one for one in made.inputs if isinstance(one, (ArrayInput, JoinedInput))]
        self._whole = _reading(made, inputs, contract)
        self._light = _reading(made, [one for one in inputs if not _has_image(one)], contract)

    @property
    def holds(self) -> bool:
        """Whether the next episode has to wait for the end of the one that is looked at."""
        return self.is_strict and self._watched is not None

    @property
    def kind(self) -> type[RunningEpisode]:
        """The type of the episode that begins."""
        return WatchedEpisode if self._watched is None else RunningEpisode

    def begin(self, attempt: RunningEpisode) -> None:
        """Begin the look at an episode, if it is of the type to look at."""
        if isinstance(attempt, WatchedEpisode):
            probe = Probe(self._adapter, self._spec)
            attempt.look = _Look(probe, self._whole, self._light, self._observation, self._action)
            self._watched = attempt

    def abandoned(self, attempt: RunningEpisode) -> None:
        """Look at the next episode that begins, if this one, which will not end, was looked at."""
        if attempt is self._watched:
            self._watched = None

    def findings(self, attempt: RunningEpisode) -> tuple[Finding, ...] | None:
        """Return what an episode that has ended shows; None: another one is looked at."""
        if self._watched is None or attempt is not self._watched:
            return None
        found = self._watched.look.ended()
        named = self._named
        return tuple(replace(one, task=self._task, path=named(one.path)) for one in found)


class _Look:
    """A probe with the conversions that it needs.

    Args:
        probe: The probe.
        whole: Adapter of all inputs that are looked at.
        light: Adapter of those without images.
        observation: Converts observations to NumPy.
        action: Converts actions to NumPy.
    """

    def __init__(
        self,
        probe: Probe,
        whole: Adapter,
        light: Adapter,
        observation: Callable[[Any], Any],
        action: Callable[[Any], Any],
    ) -> None:
        self._probe = probe
        self._whole = whole
        self._light = light
        self._observation = observation
        self._action = action
        self._episode = whole.episode()
        self._has_failed = False

    def observed(self, observation: Any, step: int) -> None:
        """Look at an observation; None: the endpoint took several steps, and sent the last one."""
        if observation is not None:
            self._try(lambda: self._observed(observation, step))

    def _observed(self, observation: Any, step: int) -> None:
        value = self._observation(observation)
        adapter = self._whole if self._probe.looks_at_images else self._light
        self._episode.step = step
        self._probe.observed(value, adapter.observe(value, self._episode))

    def acted(self, action: Any) -> None:
        """Look at an action."""
        self._try(lambda: self._probe.acted(self._action(action)))

    def ended(self) -> tuple[Finding, ...]:
        """Return what was found."""
        self._try(self._probe.ended)
        return self._probe.findings

    def _try(self, look: Callable[[], None]) -> None:
        # What cannot be converted is reported where the run itself converts it.
        if self._has_failed:
            return
        try:
            look()
        except Exception as error:
            self._has_failed = True
            _log.debug("the first episode is not looked at any further: %r", error)


class WatchedEpisode(RunningEpisode):
    """A `RunningEpisode` that is looked at.

    Attributes:
        look: The look at its observations and actions; set before the episode begins.
    """

    __slots__ = ("look",)

    look: _Look

    def begun(self, observation: Any, info: Any, begun: float, ended: float) -> None:
        """Record the end of the episode's reset."""
        super().begun(observation, info, begun, ended)
        self.look.observed(observation, 0)

    def predicted(self, actions: list[Any], begun: float, ended: float) -> None:
        """Record the end of a prediction."""
        super().predicted(actions, begun, ended)
        for action in actions:
            self.look.acted(action)

    def stepped(self, result: StepResult) -> None:
        """Record a step."""
        super().stepped(result)
        self.look.observed(self.observation, self.steps)


def check_findings(findings: Iterable[Finding]) -> None:
    """Check that no finding is a caution.

    Raises:
        AdapterError: If one is; the message has every finding.
    """
    found = list(findings)
    if any(one.level != "info" for one in found):
        lines = "".join(f"\n  {one.level}: {one}" for one in found)
        raise AdapterError(
            f"the first episode has signs of wrong declarations, which validation='strict' "
            f"refuses:{lines}"
        )


def _reading(made: Conversions, inputs: list[Any], contract: EnvContract) -> Adapter:
    """Return an adapter that reads some of the inputs, and no states."""
    return Adapter(replace(made, inputs=tuple(inputs), states=()), contract.action_space)


def _has_image(one: Any) -> bool:
    return any(part.slot.feature.kind is FeatureKind.IMAGE for part in feature_parts(one))


def _to_numpy(space: Space[Any], backend: ArrayBackend) -> Callable[[Any], Any]:
    """Return a conversion of values of a space to NumPy."""
    numpy = contract_backend()
    if backend is numpy:
        return lambda value: value
    shown = SpaceCodec(space, backend, root="observation", validation="off")
    decoded = SpaceCodec(space, numpy, root="observation", validation="off")
    return lambda value: decoded.decode(shown.encode(value))
