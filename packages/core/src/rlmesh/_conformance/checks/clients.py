"""Clients of environments: what one does when it plays, and when the server fails it.

A client is any program that plays an episode of the environment whose address is its argument: it
opens a session, resets, steps until the episode ends, and closes.
"""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from rlmesh_proto.env.v1 import env_pb2

from rlmesh._conformance.dialects import ENV
from rlmesh._conformance.findings import Blocked, Failed, expect
from rlmesh._conformance.registry import Level, Stage, check
from rlmesh._conformance.scripted import Script, Trial, contract, hello_of
from rlmesh._conformance.slab_reader import check_value
from rlmesh._conformance.slabs import BadValue

CLIENT = "client"


def _names(requests: Any) -> list[str]:
    return [request.WhichOneof("request") or "nothing" for request in requests]


@check("B-16", peers=CLIENT, stage=Stage.CONNECT, gate=True)
def hello_comes_first(subject: Any) -> None:
    """Send FramesHello with the service as the first message of each connection."""
    hellos = subject.trial(Script).hellos
    expect(hellos, "a connection", "none")
    for data in hellos:
        try:
            service = hello_of(data).service
        except DecodeError:
            raise Failed("a FramesHello", data.hex(" ")) from None
        expect(service == ENV.service, ENV.service, service)


@check("H-2", peers=CLIENT, stage=Stage.OPEN)
def open_comes_first_with_0(subject: Any) -> None:
    """Send `open` or `describe` with sequence 0 as the first request of each connection."""
    trial = subject.trial(Script)
    for number in range(1, len(trial.hellos) + 1):
        first = next((r for c, r in trial.requests if c == number), None)
        if first is None:
            continue
        right = first.WhichOneof("request") in ("open", "describe") and first.sequence == 0
        expect(right, "open with sequence 0", f"{_names([first])[0]} with {first.sequence}")


@check("U-4", peers=CLIENT, stage=Stage.OPEN)
def client_has_a_version(subject: Any) -> None:
    """Send the spec version with `open`."""
    for header in subject.trial(Script).opens(resuming=False):
        expect(header.client.spec_version, "PeerInfo.spec_version", "an empty one")


@check("N-4", peers=CLIENT, stage=Stage.BEGIN, gate=True)
def client_plays(subject: Any) -> None:
    """Open a session, reset, and step."""
    trial = subject.trial(Script)
    names = set(_names(trial.numbered()))
    expect({"reset", "step"} <= names, "reset and step", sorted(names))


@check("Q-1", peers=CLIENT)
def requests_are_numbered_without_a_gap(subject: Any) -> None:
    """Send the requests of a session with the numbers 1, 2, 3, without a gap."""
    numbers = [request.sequence for request in subject.trial(Script).numbered()]
    expect(numbers == list(range(1, len(numbers) + 1)), "1, 2, 3, ...", numbers)


@check("Q-1", peers=CLIENT)
def one_request_is_outstanding(subject: Any) -> None:
    """Send a request only after the answer to the one before it."""
    expect(not subject.trial(Script).early, "one request at a time", "two")


@check("V-14", peers=CLIENT)
def actions_are_of_their_space(subject: Any) -> None:
    """Send actions that are values of the action space, without `batch_size`."""
    for request in subject.trial(Script).numbered():
        if request.WhichOneof("request") == "step":
            try:
                check_value(contract().action_space, request.step.action, None)
            except BadValue as bad:
                raise Failed("an action of Discrete(2)", bad) from None


@check("K-1", peers=CLIENT)
def session_is_closed(subject: Any) -> None:
    """Close the session at its end, and half-close after the answer."""
    trial = subject.trial(Script)
    names = _names(trial.numbered())
    expect(names[-1:] == ["close"], "close at the end", names[-3:])
    expect(trial.half_closed, "the end of the client's half after CloseResponse", "silence")


class CutAtStep(Script):
    """Loses the connection at the first step, before its answer."""

    def answer(self, request: Any) -> Any:
        """Apply the step, and lose its answer once."""
        answer = super().answer(request)
        if request.WhichOneof("request") == "step" and not self.cuts:
            self.cuts = 1
            return None
        return answer


def _resumes(trial: Trial) -> list[Any]:
    found = [header.resume for header in trial.opens(resuming=True)]
    if not found:
        raise Blocked("it did not resume")
    return found


@check("R-4", peers=CLIENT)
def lost_session_is_resumed(subject: Any) -> None:
    """Resume a lost session with its id, its key and the number that it awaits."""
    trial = subject.trial(CutAtStep)
    listed = [1 in header.client.capabilities for header in trial.opens(resuming=False)]
    if not any(listed):
        raise Blocked("it does not list RESUME")
    found = [header.resume for header in trial.opens(resuming=True)]
    expect(found, "open with resume", "none")
    resume = found[0]
    right = resume.session_id == "s1" and resume.resume_key == bytes(range(16))
    expect(right, "the id and the key of the session", resume)
    lost = next(r for r in trial.numbered() if r.WhichOneof("request") == "step")
    expect(resume.awaited_sequence == lost.sequence, lost.sequence, resume.awaited_sequence)


@check("Q-4", peers=CLIENT)
def repetition_is_equal(subject: Any) -> None:
    """Repeat the request that has no answer, equal in content."""
    trial = subject.trial(CutAtStep)
    _resumes(trial)
    steps = [r for r in trial.numbered() if r.WhichOneof("request") == "step"]
    same = [r for r in steps if r.sequence == steps[0].sequence]
    expect(len(same) == 2, "the request a second time", f"{len(same)} times")
    expect(same[0] == same[1], "the same request", same[1])


@check("Q-10", peers=CLIENT)
def lost_request_has_no_new_number(subject: Any) -> None:
    """Send no request again under another number."""
    trial = subject.trial(CutAtStep)
    _resumes(trial)
    numbers = [request.sequence for request in trial.numbered()]
    expect(sorted(set(numbers)) == list(range(1, max(numbers) + 1)), "no gap", numbers)
    resets = [n for n in _names(trial.numbered()) if n == "reset"]
    expect(len(resets) == 1, "one reset", len(resets))


class LosesAResume(CutAtStep):
    """Loses the connection of the first resume, too."""

    def resume(self, header: Any, facts: dict[str, Any]) -> Any:
        """Answer the second resume alone."""
        self.cuts += 1
        return super().resume(header, facts) if self.cuts > 2 else None


@check("R-11", peers=CLIENT, level=Level.SHOULD)
def lost_resume_is_tried_again(subject: Any) -> None:
    """Try again to resume within the grace period if the new connection is lost, too."""
    found = _resumes(subject.trial(LosesAResume))
    expect(len(found) > 1, "a second resume", "one")


class Forgets(CutAtStep):
    """Does not know the session any more when the client resumes it."""

    def resume(self, header: Any, facts: dict[str, Any]) -> Any:
        """Refuse the resume."""
        error = {"code": 12, "message": "there is no such session", "session_closed": True}
        return env_pb2.SessionResponse(error=error)  # type: ignore[arg-type]


@check("R-12", peers=CLIENT)
def unknown_session_is_final(subject: Any) -> None:
    """Open no other session in place of one that is unknown, and go on with it."""
    trial = subject.trial(Forgets)
    _resumes(trial)
    opened = len(trial.opens(resuming=False))
    expect(opened == 1, "one session", f"{opened} sessions")


class OtherVersion(Script):
    """Has a version that the client does not talk to."""

    version = "0.0.1"


@check("H-5", peers=CLIENT)
def other_version_is_refused(subject: Any) -> None:
    """Send nothing but `close` to a server whose version does not talk."""
    names = set(_names(subject.trial(OtherVersion).numbered()))
    expect(names <= {"close"}, "close or nothing", sorted(names))


class BrokenContract(Script):
    """Has an action space without a value."""

    def contract(self) -> Any:
        """Return the contract with a Discrete of 0."""
        found = super().contract()
        found.action_space.discrete.n = 0
        return found


@check("H-11", peers=CLIENT)
def broken_contract_is_refused(subject: Any) -> None:
    """Send nothing but `close` to a server whose contract breaks a rule."""
    names = set(_names(subject.trial(BrokenContract).numbered()))
    expect(names <= {"close"}, "close or nothing", sorted(names))


class SmallMessages(Script):
    """Receives messages of a few bytes alone: `reset` and `close`, but no step."""

    MAX_BYTES = 15

    def facts(self) -> dict[str, Any]:
        """Return the facts with the limit."""
        found = super().facts()
        found["terms"]["max_message_bytes"] = self.MAX_BYTES
        return found


@check("M-3", peers=CLIENT)
def messages_are_within_the_limit(subject: Any) -> None:
    """Send no message that is larger than `max_message_bytes`."""
    sizes = [request.ByteSize() for request in subject.trial(SmallMessages).numbered()]
    expect(sizes, "a request", "none")
    limit = SmallMessages.MAX_BYTES
    expect(max(sizes) <= limit, f"at most {limit} bytes", f"{max(sizes)} bytes")


class WrongMember(Script):
    """Answers a step as if it were a reset."""

    def handle(self, request: Any) -> Any:
        """Answer with the wrong member."""
        answer = super().handle(request)
        if answer.WhichOneof("response") == "step":
            answer.reset.observation.CopyFrom(self.observation())
        return answer


@check("N-1", peers=CLIENT)
def wrong_answer_ends_the_session(subject: Any) -> None:
    """Close the session after an answer of another kind."""
    names = _names(subject.trial(WrongMember).numbered())
    steps = names.count("step")
    expect(steps == 1, "no request but close after the wrong answer", names)


class BadObservation(Script):
    """Sends an observation outside its space."""

    def handle(self, request: Any) -> Any:
        """Answer a step with a short slab."""
        answer = super().handle(request)
        if answer.WhichOneof("response") == "step":
            answer.step.observation.slabs[0] = b"\0\0\0"
        return answer


@check("V-4", peers=CLIENT)
def broken_observation_is_reported(subject: Any) -> None:
    """Make no further step after an observation that is no value of its space."""
    names = _names(subject.trial(BadObservation).numbered())
    expect(names.count("step") == 1, "one step", names)
