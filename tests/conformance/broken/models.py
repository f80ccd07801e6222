"""Model servers that break rules of §16."""

from __future__ import annotations

from typing import Any

from rlmesh._conformance.space_rules import space_problems
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.model_service import RightRamp, RightSum
from tests.conformance.broken.registry import broken


def wrong(rule: str, words: str, first: str, base: Any = RightSum, **changes: Any) -> None:
    broken(rule, words, base=base, first=first, **changes)


def refused(self: Any, session: Any, asked: Any) -> Any:
    return failure("INTERNAL", "no")


wrong("P-6", "starts no episode", "start-is-answered", do_start_episode=refused)
wrong("P-8", "predicts nothing", "predict-is-answered", do_predict=refused)


class Formless(RightSum):
    def spec(self) -> Any:
        found = super().spec()
        found.ClearField("predict_forms")
        return found


class SameNames(RightSum):
    def spec(self) -> Any:
        found = super().spec()
        found.inputs.add(name="a")
        found.inputs.add(name="a")
        return found


wrong("T-4", "has no forms", "spec-has-forms", Formless)
wrong("T-4", "has an input twice", "names-of-inputs-are-distinct", SameNames)
wrong("P-1", "serves one session", "sessions-are-not-limited-to-one", instances=1)


class Headless(RightSum):
    def open(self, connection: Any, opened: Any) -> Any:
        if not opened.HasField("header"):
            return failure("UNSUPPORTED", "no header")
        return super().open(connection, opened)


class AnyContract(RightSum):
    def begin(self, session: Any, opened: Any) -> Any:
        session.play = {"contract": opened.contract, "lanes": {}}
        return None if self.takes(opened) else super().begin(session, opened)

    def takes(self, opened: Any) -> bool:
        return not opened.HasField("contract")


wrong("P-2", "refuses an open without a header as unsupported", "open-needs-a-header", Headless)
wrong("P-3", "opens without a contract", "open-needs-a-contract", AnyContract)
wrong("P-3", "reads no space", "broken-contract-is-refused", problems=lambda self, space: ())


wrong(
    "M-6",
    "opens for extents beyond 63 bits",
    "extents-beyond-63-bits-are-refused",
    problems=lambda self, space: [p for p in space_problems(space) if p[0] != "M-6"],
)


class Versionless(RightSum):
    def begin(self, session: Any, opened: Any) -> Any:
        if opened.contract.spec_version:
            return failure("UNSUPPORTED", "a stored contract")
        return super().begin(session, opened)


wrong("E-8", "refuses a contract with a version", "version-of-a-contract-is-read", Versionless)


class NoChunk(RightRamp):
    def predicted(self, session: Any, asked: Any) -> Any:
        return {**super().predicted(session, asked), "chunk_length": 0}


wrong("P-9", "does not count its chunks", "actions-are-values", NoChunk)


def takes(method: str, when: Any) -> dict[str, Any]:
    """Return a check of requests that overlooks some faults."""
    right = getattr(RightSum, method)

    def made(self: Any, session: Any, asked: Any) -> Any:
        return None if when(asked) else right(self, session, asked)

    return {method: made}


def other_form(self: Any, session: Any, asked: Any) -> Any:
    return None if asked.form in self.forms else failure("WRONG_STATE", "another form")


wrong(
    "P-8", "answers another form with WRONG_STATE", "other-form-is-unsupported", bad_form=other_form
)
wrong(
    "P-8",
    "takes SINGLE for two lanes",
    "single-has-one-lane",
    **takes("bad_lanes", lambda a: a.form == 1 and len(a.lanes) == 2),
)


class Unbatches(RightSum):
    def bad_values(self, session: Any, asked: Any) -> Any:
        if asked.form == 1:
            asked.observation.ClearField("batch_size")
        return super().bad_values(session, asked)


wrong("P-8", "takes a batch as SINGLE", "single-has-no-batch-size", Unbatches)
wrong(
    "P-8",
    "takes a lane twice",
    "lanes-are-distinct",
    **takes("bad_lanes", lambda a: list(a.lanes) == [0, 0]),
)
wrong(
    "P-8",
    "takes more observations than lanes",
    "batch-has-a-value-for-each-lane",
    **takes("bad_values", lambda a: a.observation.batch_size == 3),
)


class OneAction(RightSum):
    def predicted(self, session: Any, asked: Any) -> Any:
        answer = super().predicted(session, asked)
        if len(asked.lanes) > 1:
            answer["actions"] = {"slabs": [bytes(8)], "batch_size": 1}
        return answer


wrong("P-9", "predicts one action for two lanes", "batch-has-an-action-for-each-lane", OneAction)


class Starts(RightSum):
    """Begins an episode when it is needed."""

    def no_episode(self, session: Any, asked: Any, missing: Any) -> Any:
        if len(asked.lanes) > 1:
            return super().no_episode(session, asked, missing)
        self.lanes_of(session).update(dict.fromkeys(missing, 0))
        return self.predicted(session, asked)


class EndsAny(RightSum):
    def do_end_episode(self, session: Any, asked: Any) -> Any:
        self.lanes_of(session).setdefault(asked.lane, 0)
        return super().do_end_episode(session, asked)


class NeverEnds(RightSum):
    def forget(self, session: Any, lane: int) -> None:
        """Go on."""


wrong("P-7", "starts an episode by itself", "predict-needs-an-episode", Starts)
wrong("P-7", "ends an episode that there is not", "end-needs-an-episode", EndsAny)
wrong("P-7", "goes on after the end of an episode", "ended-episode-is-over", NeverEnds)


class StartsOnce(RightSum):
    def do_start_episode(self, session: Any, asked: Any) -> Any:
        if asked.HasField("seed") and asked.lane in self.lanes_of(session):
            return failure("WRONG_STATE", "the lane has an episode")
        return super().do_start_episode(session, asked)


class FewLanes(RightSum):
    def do_start_episode(self, session: Any, asked: Any) -> Any:
        if asked.lane >= 1000:
            return failure("LIMIT_EXCEEDED", "a high lane")
        return super().do_start_episode(session, asked)


wrong("P-6", "starts an episode in an idle lane alone", "started-lane-starts-again", StartsOnce)
wrong("P-4", "has 1000 lanes", "lanes-are-numbers-of-the-client", FewLanes)
wrong(
    "P-11",
    "takes more slabs",
    "invalid-observation-is-refused",
    **takes("bad_values", lambda a: len(a.observation.slabs) == 2),
)


class NoObservation(RightSum):
    def bad_parts(self, session: Any, asked: Any) -> Any:
        if not asked.HasField("observation"):
            return failure("INVALID_VALUE", "no observation", path="observation")
        return super().bad_parts(session, asked)


wrong(
    "G-8",
    "answers no observation with INVALID_VALUE",
    "predict-without-an-observation-is-malformed",
    NoObservation,
)
wrong(
    "P-14",
    "takes any number of steps",
    "steps-are-for-each-lane",
    **takes("bad_parts", lambda a: len(a.steps) == 2 and len(a.lanes) == 1),
)
wrong(
    "P-15",
    "takes observed without steps",
    "observed-needs-its-counts",
    bad_observed=lambda self, asked, n: None,
)
wrong(
    "P-17",
    "lists OBSERVE alone",
    "observe-comes-with-steps",
    capabilities=("RESUME", "BATCH", "OBSERVE"),
)
wrong(
    "P-18",
    "takes a prefix without counts",
    "prefix-needs-its-counts",
    RightRamp,
    bad_prefix=lambda self, asked, n: None,
)

# With known answers.


class Again(RightSum):
    def repeat(self, session: Any, request: Any) -> Any:
        if request.WhichOneof("request") == "predict":
            self.handle(session, request)
        return super().repeat(session, request)


wrong("P-12", "shows a repetition to the model", "repeated-prediction-is-made-once", Again)


class OneState(RightSum):
    def predicted(self, session: Any, asked: Any) -> Any:
        states = self.lanes_of(session)
        if len(asked.lanes) == 1 and len(states) > 1:
            states[asked.lanes[0]] = sum(states.values())
        return super().predicted(session, asked)


class Shared(RightSum):
    shared: dict[int, Any] | None = None

    def do_start_episode(self, session: Any, asked: Any) -> Any:
        others = [s for s in self.sessions.values() if s is not session and s.play]
        answer = super().do_start_episode(session, asked)
        if others:
            session.play["lanes"] = others[0].play["lanes"]
        return answer


class KeepsState(RightSum):
    def do_start_episode(self, session: Any, asked: Any) -> Any:
        before = self.lanes_of(session).get(asked.lane, 0)
        answer = super().do_start_episode(session, asked)
        if asked.lane in self.lanes_of(session):
            self.lanes_of(session)[asked.lane] = before
        return answer


wrong("P-5", "adds up all lanes", "lanes-have-their-own-state", OneState)
wrong("P-5", "shares its state between sessions", "sessions-have-their-own-state", Shared)
wrong("P-6", "keeps the state of the episode before", "new-episode-drops-the-state", KeepsState)


class Sorted(RightSum):
    def batch(self, asked: Any, actions: list[int]) -> Any:
        if len(actions) == 2 and actions[0] > actions[1]:
            actions = actions[::-1]
        return super().batch(asked, actions)


class SomeLanes(RightSum):
    def no_episode(self, session: Any, asked: Any, missing: Any) -> Any:
        states = self.lanes_of(session)
        for lane in asked.lanes:
            if lane in states:
                states[lane] += 1
        return super().no_episode(session, asked, missing)


class Unobserved(RightSum):
    def predicted(self, session: Any, asked: Any) -> Any:
        asked.ClearField("observed")
        asked.ClearField("observed_counts")
        return super().predicted(session, asked)


class Reads(RightSum):
    def do_start_episode(self, session: Any, asked: Any) -> Any:
        if asked.HasField("instruction"):
            return failure("INVALID_VALUE", "this model reads no text")
        return super().do_start_episode(session, asked)


wrong("P-9", "sorts the actions of lanes", "batch-is-in-the-order-of-lanes", Sorted)
wrong(
    "P-7",
    "predicts for the lanes that have an episode",
    "lane-without-an-episode-stops-the-others",
    SomeLanes,
)
wrong("P-16", "drops observed", "observed-reaches-the-model", Unobserved)
wrong("P-6", "answers an instruction with INVALID_VALUE", "instruction-needs-a-text-input", Reads)
wrong(
    "P-10",
    "ignores max_chunk_length",
    "chunk-is-no-longer-than-wanted",
    RightRamp,
    chunk=lambda self, a: 1 if a.form < 3 else 3,
)


class TimeMajor(RightRamp):
    def batch(self, asked: Any, actions: list[int]) -> Any:
        if asked.form == 4 and len(asked.lanes) == 2:
            half = len(actions) // 2
            actions = [x for pair in zip(actions[:half], actions[half:]) for x in pair]
        return super().batch(asked, actions)


class NoPrefix(RightRamp):
    def predicted(self, session: Any, asked: Any) -> Any:
        for name in ("prefix", "prefix_counts", "committed_counts"):
            asked.ClearField(name)
        return super().predicted(session, asked)


wrong("P-9", "sends chunks by time", "chunks-are-lane-major", TimeMajor)
wrong("P-18", "drops the prefix", "prefix-reaches-the-model", NoPrefix)
