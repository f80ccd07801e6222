"""Answers to the requests of sessions: each is checked, then applied to the environment."""

import math
import time
import traceback
from typing import Any, Dict, List, Set, Tuple

from rlmesh_thin.dynamic import DynamicReader, DynamicWriter
from rlmesh_thin.faults import (
    INTERNAL,
    INVALID_RESULT,
    INVALID_VALUE,
    LIMIT_EXCEEDED,
    MALFORMED,
    MAX_MESSAGE_BYTES,
    NOT_EXPOSED,
    UNSUPPORTED,
    USER_EXCEPTION,
    WRONG_STATE,
    Fault,
)
from rlmesh_thin.messages import REQUESTS, VALUE, Request, error_frame, frame_of, write_error
from rlmesh_thin.output import note
from rlmesh_thin.slabs import broken
from rlmesh_thin.spaces import Space, decode_values, encode_values
from rlmesh_thin.wire import field_blob, field_double, field_message, read_message

__all__ = ["Servicer", "fault_of"]

MAX_STEPS = 65536
MAX_NOTED = 1000
SHORT_BYTES = 126
_METHODS = {"call": "_call_attribute"}


def fault_of(error: BaseException, call: str, tracebacks: bool) -> Fault:
    """Return the Fault for an exception of the environment's own code in `call` ("step")."""
    kind = type(error)
    text = ""
    if tracebacks:
        text = "".join(traceback.format_exception(kind, error, error.__traceback__))
    message = "%s() raised %s: %s" % (call, kind.__name__, error)
    name = "%s.%s" % (kind.__module__, kind.__qualname__)
    return Fault(USER_EXCEPTION, message, exception_type=name, traceback=text)


class Servicer:
    """Plays requests on an environment, on the thread that calls `answer`.

    Args:
        env: The environment; see `rlmesh_thin.environment.Environment`.
        exposed: Names of attributes that clients may use.
        tracebacks: Whether errors have the environment's traceback (Y-7).
    """

    def __init__(self, env: Any, exposed: Any = (), tracebacks: bool = False) -> None:
        self._env = env
        self._exposed = tuple(exposed)
        self._tracebacks = tracebacks
        self._spent = 0.0
        self._reported: Dict[str, str] = {}
        self._new_reports: Dict[str, str] = {}
        self._noted: Set[str] = set()

    def end(self) -> None:
        """Close the environment."""
        self._env.close()

    def answer(self, request: Request, frame: bytes = b"") -> Tuple[Any, bool]:
        """Return the frame of the answer, and whether the session is over.

        Args:
            request: The request.
            frame: The frame that it was read from.
        """
        self._spent = 0.0
        kind = request.kind
        if request.sequence == 1:  # The first one of a session.
            self._reported = {}
        try:
            if kind in ("open", "describe"):
                rule = "N-3" if kind == "open" else "B-15"
                raise Fault(WRONG_STATE, rule + ": the session is open already")
            if kind not in REQUESTS or (kind == "render" and not self._env.can_render):
                text = "H-10: this server does not support %s"
                raise Fault(UNSUPPORTED, text % (kind or "this request"))
            if request.slabs:
                parts = self._apply(request.body)
            else:
                parts = getattr(self, _METHODS.get(kind, "_" + kind))(
                    read_message(request.body, REQUESTS[kind][1])
                )
            answer = frame_of(request.sequence, kind, parts, int(self._spent * 1e6))
        except Fault as fault:
            return error_frame(request.sequence, fault), False
        except Exception as error:
            note("a fault of the host's own: %s" % traceback.format_exc())
            return error_frame(request.sequence, Fault(INTERNAL, str(error))), False
        return answer, kind == "close"

    def _call(self, name: str, function: Any, *args: Any) -> Any:
        """Return the result of the environment's own code."""
        begun = time.perf_counter()
        try:
            return function(*args)
        except Fault:
            raise
        except (Exception, SystemExit) as error:
            raise fault_of(error, name, self._tracebacks) from None
        finally:
            self._spent += time.perf_counter() - begun

    def _reset(self, body: Dict[str, Any]) -> List[Any]:
        if "lane_seeds" in body:
            raise Fault(MALFORMED, "N-4: this environment is no vector", "lane_seeds")
        if body.get("lane_mask"):
            raise Fault(UNSUPPORTED, "L-8: this environment is no vector", "lane_mask")
        options = body.get("options")
        if options is not None:
            options = DynamicReader().map(options, "options")
        observation, info = self._call("reset", self._env.reset, body.get("seed"), options)
        return self._observation(observation) + self._info(info, 2)

    def _step(self, body: Dict[str, Any]) -> List[Any]:
        value = _required(body, "action")
        found = read_message(value, VALUE, self._env.action_space.slab_count + 1)
        if "batch_size" in found:
            raise broken("action", "N-6", "one value", "a batch of %d" % found["batch_size"])
        return self._apply(found.get("slabs", []))

    def _apply(self, slabs: List[Any]) -> List[Any]:
        observation, rest, _ = self._stepped(self._env.action_space.decode_one(slabs))
        return observation + rest

    def _stepped(self, action: Any) -> Tuple[List[Any], List[Any], bool]:
        """Return the encoded observation, the other fields, and whether the episode has ended."""
        begun = time.perf_counter()
        try:
            result = self._env.step(action)
        except Fault:
            raise
        except (Exception, SystemExit) as error:
            raise fault_of(error, "step", self._tracebacks) from None
        finally:
            self._spent += time.perf_counter() - begun
        observation, reward, terminated, truncated, info = result
        value = self._observation(observation)
        rest = [field_double(2, reward)] if reward or math.copysign(1, reward) < 0 else []
        rest += [b"\x18\1"] if terminated else []
        rest += [b"\x20\1"] if truncated else []
        if info or self._new_reports:
            rest += self._info(info, 5)
        return value, rest, terminated or truncated

    def _step_many(self, body: Dict[str, Any]) -> List[Any]:
        count, value, space = (
            body.get("count", 0),
            _required(body, "actions"),
            self._env.action_space,
        )
        if not count:
            raise Fault(MALFORMED, "N-8: expected a count of at least 1", "count")
        if count > MAX_STEPS:
            raise Fault(
                LIMIT_EXCEEDED, "M-1: at most %d steps, got %d" % (MAX_STEPS, count), "count"
            )
        found = read_message(value, VALUE, space.slab_count + 1)
        size = found.get("batch_size")
        if size != count:
            got = "one value" if size is None else size
            raise Fault(MALFORMED, "N-8: expected a batch of %d, got %s" % (count, got), "actions")
        steps: List[bytes] = []
        total, last = 0, b""
        for action in decode_values(space, found.get("slabs", []), count):
            try:
                if total > MAX_MESSAGE_BYTES // 2:
                    raise Fault(
                        LIMIT_EXCEEDED,
                        "M-1: the results of %d steps take %d bytes" % (len(steps), total),
                    )
                observation, rest, ended = self._stepped(action)
            except Fault as fault:
                return _steps(steps, last) + [field_blob(2, write_error(fault))]
            last = b"".join(observation)
            if body.get("all_observations"):
                rest, last = [last] + rest, b""
            steps.append(b"".join(rest))
            total += len(steps[-1])
            if ended:
                break
        return _steps(steps, last)

    def _render(self, body: Dict[str, Any]) -> List[Any]:
        if body.get("lanes"):
            raise Fault(MALFORMED, "L-11: this environment is no vector", "lanes")
        return self._result(self._call("render", self._env.render), "frame")

    def _close(self, body: Dict[str, Any]) -> List[Any]:
        return []  # The environment goes on to the next session (K-2).

    def _name(self, body: Dict[str, Any]) -> str:
        name = body.get("name", "")
        if name not in self._exposed:
            text = "N-11: the host does not expose %.200r; it exposes: %s (--expose NAME)"
            text %= (name, ", ".join(self._exposed) or "nothing")
            raise Fault(NOT_EXPOSED, text, choices=self._exposed)
        return str(name)

    def _call_attribute(self, body: Dict[str, Any]) -> List[Any]:
        name = self._name(body)
        reader = DynamicReader()
        args = reader.list(body.get("args", b""), "args")
        kwargs = reader.map(body.get("kwargs", b""), "kwargs")
        if not all(isinstance(key, str) for key in kwargs):
            raise Fault(MALFORMED, "N-11: expected keys that are strings", "kwargs")
        return self._result(self._call(name, self._env.call, name, args, kwargs), "result")

    def _get_attribute(self, body: Dict[str, Any]) -> List[Any]:
        name = self._name(body)
        found = self._call(name, self._env.attribute, name)
        return [b"\x10\1"] if callable(found) else self._result(found, "value")

    def _set_attribute(self, body: Dict[str, Any]) -> List[Any]:
        name, value = self._name(body), DynamicReader().value(_required(body, "value"), "value")
        if callable(self._call(name, self._env.attribute, name, None)):
            text = "N-11: %s is a method: it may be called, and not be replaced"
            raise Fault(UNSUPPORTED, text % name)
        self._call(name, self._env.set_attribute, name, value)
        return []

    def _result(self, value: Any, root: str) -> List[Any]:
        return [field_blob(1, DynamicWriter(root).value(value))]

    def _observation(self, observation: Any) -> List[Any]:
        """Return the field of an observation, in parts."""
        space: Space = self._env.observation_space
        try:
            slabs = encode_values(space, [observation])
        except Fault as fault:
            fault.code = INVALID_RESULT if fault.code == INVALID_VALUE else fault.code
            raise
        if space.bounded:
            space.report(observation, self._report)
        if len(slabs) == 1 and len(slabs[0]) < SHORT_BYTES:
            size = len(slabs[0])  # The lengths are single bytes then.
            return [b"\x0a%c\x0a%c%b" % (size + 2, size, slabs[0])]
        if all(type(slab) is bytes for slab in slabs):  # None of them is large.
            return [field_blob(1, b"".join([field_blob(1, slab) for slab in slabs]))]
        return field_message(1, [part for slab in slabs for part in field_message(1, [slab])])

    def _report(self, path: str, message: str) -> None:
        if path not in self._reported:
            self._reported[path] = message
            self._new_reports[path] = message
            note("%s: %s" % (path, message))

    def _info(self, info: Any, number: int) -> List[Any]:
        """Return the field of an info, which is left out if it is empty."""
        if self._new_reports:
            info = dict(info)
            info["rlmesh.validation"] = self._new_reports
            self._new_reports = {}
        if not info:
            return []
        return [field_blob(number, DynamicWriter("info", self._replaced).map(info))]

    def _replaced(self, path: str, reason: str) -> None:
        if path not in self._noted and len(self._noted) < MAX_NOTED:
            self._noted.add(path)
            note("%s: %s; its text is sent instead" % (path, reason))


def _required(body: Dict[str, Any], name: str) -> Any:
    if name not in body:
        raise Fault(MALFORMED, "G-8: expected the field %s" % name, name)
    return body[name]


def _steps(steps: List[bytes], last: bytes) -> List[Any]:
    """Return the results of steps; `last` is the observation of the last one, if it has none."""
    if last:
        steps[-1] = last + steps[-1]
    return [field_blob(1, step) for step in steps]
