"""`EnvServicer`: applies requests of a session to an environment; faults become replies."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from rlmesh._codec import Validation
from rlmesh._codec.actions import decode_actions
from rlmesh._codec.lanes import LaneIO, batch_words
from rlmesh._codec.validate import with_reports
from rlmesh._env_host.attributes import ExposedAttributes
from rlmesh._env_host.describe_env import DescribedEnv, reset_arguments
from rlmesh._env_host.interrupts import is_server_interrupt
from rlmesh._env_host.outcomes import check_reset, check_step, flag_of, reward_of
from rlmesh._env_host.progress import reporting_to
from rlmesh._env_host.sim_time import SimTime
from rlmesh._logs import Lines, logger
from rlmesh._messages import env as m
from rlmesh._wire.env_codec import EnvWireCodec
from rlmesh._wire.failures import failure_of_exception, failure_of_value
from rlmesh.errors import CodecError, InvalidValueError
from rlmesh.specs import AutoresetMode

__all__ = ["EnvServicer"]

_log = logger("rlmesh.server")

MAX_STEPS = 65_536
"""Most steps in one request (M-1)."""

_RULES_OF_LANES = {"lane_seeds": "L-4", "lane_mask": "G-5"}
"""Rule of the length of each field that has an element for each lane."""

MAX_MANY_BYTES = 128 * 1024 * 1024
"""From this size on of what was kept of their results no more are made: half a message."""


class EnvServicer:
    """Applies requests to an environment; called from one thread only.

    Args:
        described: The environment.
        validation: What to do with observations outside their space.
        expose_tracebacks: Whether clients see the tracebacks of its exceptions.
        sim_time: Path of its attribute that is the time of the simulation; empty: none.

    Raises:
        ValueError: If the environment has no attribute of that path.
    """

    def __init__(
        self,
        described: DescribedEnv,
        validation: Validation,
        expose_tracebacks: bool,
        sim_time: str = "",
    ) -> None:
        self._env = described.env
        self._time = SimTime(described.env, sim_time)
        self._reset_names = described.reset_names
        self._expose_tracebacks = expose_tracebacks
        contract = described.contract
        self._described = described
        self._validation: Validation = validation
        self._observation = self._whole = described.observation_codec(validation)
        self._action = described.action_codec("strict" if validation == "strict" else "off")
        self._num_envs = contract.num_envs if contract.vector else None
        self._resets_lanes = contract.autoreset_mode is AutoresetMode.DISABLED
        self._lanes = LaneIO(described.observation_backend, contract.num_envs)
        self._frames = EnvWireCodec(described.observation_backend)
        self._exposed = ExposedAttributes(described.env, contract.vector, contract.exposed)
        self._players: dict[type, tuple[str, Callable[[Any], m.Reply]]] = {
            m.Step: ("step", self._step),
            m.StepMany: ("step", self._step_many),
            m.Reset: ("reset", self._reset),
            m.Render: ("render", self._render),
            m.Call: ("call", self._reached(self._exposed.call)),
            m.GetAttribute: ("get_attribute", self._reached(self._exposed.get)),
            m.SetAttribute: ("set_attribute", self._reached(self._exposed.set)),
            m.SetView: ("view", self._set_view),
        }

    def play(
        self, body: m.RequestBody, report: Callable[[m.Progress], object] | None = None
    ) -> m.Reply:
        """Apply a request, and return the reply; a fault of the environment is a reply too.

        Args:
            body: The request.
            report: Receives what the environment reports of its progress; None: it is dropped.
        """
        name, servicer = self._players[type(body)]
        try:
            if report is None:
                return servicer(body)
            with reporting_to(report):
                return servicer(body)
        except BaseException as error:
            if is_server_interrupt(error):
                raise
            return self._failure(error, body.name if isinstance(body, m.Call) else name)

    def _failure(self, error: BaseException, call: str) -> m.Failure:
        if isinstance(error, _Invalid):
            return failure_of_value(error.code, error.reason, error.rule)
        return failure_of_exception(error, call, expose_traceback=self._expose_tracebacks)

    def _reached(self, act: Callable[[Any], m.Reply]) -> Callable[[Any], m.Reply]:
        """Call `act` for the names that are exposed."""
        return lambda body: self._exposed.refusal(body.name) or act(body)

    def begin_session(self) -> None:
        """Send whole observations again, if the last session had a view."""
        self._observation = self._whole

    def close(self) -> None:
        """Close the environment, and log what that raises."""
        reply = self.end()
        if isinstance(reply, m.Failure):
            _log.error(
                "closing an environment failed: %s\n%s", reply.message, Lines(reply.traceback)
            )

    def end(self) -> m.Reply:
        """Close the environment: `Closed`, or what that raised."""
        try:
            self._env.close()
        except BaseException as error:
            if is_server_interrupt(error):
                raise
            expose_tracebacks = self._expose_tracebacks
            return failure_of_exception(error, "close", expose_traceback=expose_tracebacks).ended()
        return m.Closed()

    def _step(self, step: m.Step) -> m.Reply:
        return self._apply(self._decode(step.action))

    def _apply(self, action: Any) -> m.StepDone:
        result = self._env.step(action)
        try:
            observation, reward, terminated, truncated, info = check_step(result)
            if self._num_envs is not None:
                return self._lane_step(observation, reward, terminated, truncated, info)
            return m.StepDone(
                m.Encoded(self._observation.encode(observation)),
                reward_of(reward),
                flag_of(terminated, "terminated"),
                flag_of(truncated, "truncated"),
                self._with_reports(info),
                sim_time=self._time.read(),
            )
        except InvalidValueError as error:
            raise _InvalidResult(error) from error

    def _step_many(self, body: m.StepMany) -> m.Reply:
        steps: list[m.StepDone] = []
        room = MAX_MANY_BYTES
        for action in self._decode_actions(body):
            try:
                done = self._apply(action)
            except BaseException as error:
                if is_server_interrupt(error):
                    raise
                return m.StepManyDone(tuple(steps), self._failure(error, "step"))
            if steps and not body.all_observations:
                steps[-1] = steps[-1]._replace(observation=m.ABSENT)
            # The environment may write the next results over these.
            info = self._frames.write_info(done.info)
            steps.append(_kept(done, info))
            if _ends(done):
                break
            seen = steps[-1].observation.slabs if body.all_observations else ()
            room -= len(info) + sum(map(len, seen))
            if room < 0 and len(steps) < body.count:
                message = (
                    f"M-1: the results of {len(steps)} steps take {MAX_MANY_BYTES} bytes; no more "
                    f"were made"
                )
                return m.StepManyDone(tuple(steps), m.Failure(m.ErrorCode.LIMIT_EXCEEDED, message))
        return m.StepManyDone(tuple(steps))

    def _decode_actions(self, body: m.StepMany) -> list[Any]:
        lanes, slabs = self._num_envs, body.actions.slabs
        expected = body.count * (lanes or 1)
        if body.actions.batch_size != expected:
            message = f"{batch_words(expected)} for {body.count} steps"
            got = batch_words(body.actions.batch_size)
            raise _MalformedRequest(InvalidValueError("actions", message, got), "N-8")
        if body.count > MAX_STEPS:
            reason = InvalidValueError("count", f"at most {MAX_STEPS}", str(body.count))
            raise _OverLimit(reason, "M-1")
        try:
            return decode_actions(self._action, slabs, body.count, lanes)
        except (CodecError, InvalidValueError) as error:
            raise _InvalidRequest(error) from error

    def _lane_step(
        self, observation: Any, reward: Any, terminated: Any, truncated: Any, info: Any
    ) -> m.StepDone:
        mask, final, info = self._lanes.split_final(info)
        return m.StepDone(
            self._encode(observation),
            info=self._with_reports(info),
            lanes=self._lanes.outcomes(reward, terminated, truncated),
            final_mask=mask,
            final=None
            if final is None
            else m.Encoded(self._observation.encode_values(final), len(final)),
            sim_time=self._time.read(),
        )

    def _reset(self, reset: m.Reset) -> m.Reply:
        try:
            arguments = self._reset_arguments(reset)
        except CodecError as error:
            raise _MalformedRequest(error) from error
        result = self._env.reset(**arguments)
        try:
            observation, info = check_reset(result)
            encoded = self._encode(observation)
            return m.ResetDone(encoded, self._with_reports(info), self._time.read())
        except InvalidValueError as error:
            raise _InvalidResult(error) from error

    def _reset_arguments(self, reset: m.Reset) -> dict[str, Any]:
        """Return the keyword arguments of the environment's `reset`."""
        seed: Any = reset.seed
        options: Any = None if reset.options is None else dict(reset.options)
        if reset.lane_mask and not self._resets_lanes:
            expected = "a vector with autoreset mode Disabled"
            raise _Unsupported(InvalidValueError("lane_mask", expected, "another"), "L-8")
        if reset.lane_seeds is not None or reset.lane_mask:
            if self._num_envs is None:
                raise CodecError.of_rule("N-4", "one seed", "those of lanes", path="lane_seeds")
            try:
                self._lanes.check_lanes(reset, "lane_seeds", "lane_mask")
            except InvalidValueError as error:
                raise _MalformedRequest(error, _RULES_OF_LANES[error.path]) from error
            seed = list(reset.lane_seeds) if reset.lane_seeds is not None else seed
            if reset.lane_mask:
                mask = self._lanes.mask_array(reset.lane_mask, "lane_mask")
                options = {**(options or {}), "reset_mask": mask}
        return reset_arguments(self._reset_names, seed, options)

    def _set_view(self, body: m.SetView) -> m.Reply:
        if body.view is None:
            self._observation = self._whole
            return m.ViewSet()
        try:
            self._observation = self._described.observation_codec(self._validation, body.view)
        except InvalidValueError as error:
            raise _InvalidRequest(error, "N-18") from error
        except ImportError as error:
            message = f"N-18: {error} (in the server's environment)"
            return m.Failure(m.ErrorCode.UNSUPPORTED, message)
        return m.ViewSet()

    def _render(self, render: m.Render) -> m.Reply:
        try:
            self._lanes.check_rendered(render, vector=self._num_envs is not None)
        except InvalidValueError as error:
            raise _MalformedRequest(error, "L-11") from error
        frame = self._env.render()
        if render.lanes:
            frame = tuple(frame[lane] for lane in render.lanes)
        return m.Rendered(frame)

    def _encode(self, observation: Any) -> m.Encoded:
        if self._num_envs is None:
            return m.Encoded(self._observation.encode(observation))
        slabs = self._observation.encode_batch(observation, self._num_envs)
        return m.Encoded(slabs, self._num_envs)

    def _decode(self, action: m.Encoded) -> Any:
        try:
            if action.batch_size != self._num_envs:
                raise CodecError.of_rule(
                    "N-6" if self._num_envs is None else "L-1",
                    batch_words(self._num_envs),
                    batch_words(action.batch_size),
                    path="action",
                )
            if self._num_envs is None:
                return self._action.decode(action.slabs)
            return self._action.decode_batch(action.slabs, self._num_envs)
        except (CodecError, InvalidValueError) as error:
            raise _InvalidRequest(error) from error

    def _with_reports(self, info: Mapping[Any, Any]) -> Mapping[Any, Any]:
        return with_reports(info, self._observation.take_reports())


def _kept(done: m.StepDone, info: bytes) -> m.StepDone:
    """Return the same with bytes of its own."""
    slabs, size = done.observation
    final = done.final
    return done._replace(
        observation=m.Encoded([bytes(slab) for slab in slabs], size),
        lanes=done.lanes and m.LaneOutcomes(*map(bytes, done.lanes)),
        final=final and m.Encoded([bytes(slab) for slab in final.slabs], final.batch_size),
        info=m.WrittenInfo(info),
    )


def _ends(done: m.StepDone) -> bool:
    """Return whether an episode ended, in any lane."""
    if done.lanes is None:
        return done.terminated or done.truncated
    return any(done.lanes.terminated) or any(done.lanes.truncated)


class _Invalid(Exception):
    """A value does not belong to its space, or breaks a rule; see `failure_of_value`."""

    code: ClassVar[m.ErrorCode]

    def __init__(self, reason: CodecError | InvalidValueError, rule: str = "") -> None:
        super().__init__(str(reason))
        self.reason = reason
        self.rule = rule


class _InvalidRequest(_Invalid):
    """The value is the request's."""

    code = m.ErrorCode.INVALID_VALUE


class _MalformedRequest(_Invalid):
    """The lanes of the request are not those of this environment."""

    code = m.ErrorCode.MALFORMED


class _Unsupported(_Invalid):
    """The request asks for what this environment does not do."""

    code = m.ErrorCode.UNSUPPORTED


class _OverLimit(_Invalid):
    """The request asks for more than may be asked at once."""

    code = m.ErrorCode.LIMIT_EXCEEDED


class _InvalidResult(_Invalid):
    """The value is the environment's."""

    code = m.ErrorCode.INVALID_RESULT
