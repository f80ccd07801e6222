"""Servers that break rules of descriptions and `open`: §2, §4 and B-16."""

from __future__ import annotations

from typing import Any

from google.protobuf.message import DecodeError
from rlmesh_proto import SPEC_VERSION
from rlmesh_proto.session.v1 import frames_pb2

from tests.conformance.broken.env_service import RightEnv
from tests.conformance.broken.frames_server import failure
from tests.conformance.broken.registry import broken

own = RightEnv


def peer(**fields: Any) -> Any:
    """Return a `peer` with other fields."""

    def made(self: Any) -> Any:
        found = own.peer(self)
        for name, value in fields.items():
            setattr(found, name, value)
        return found

    return made


def opened(**fields: Any) -> Any:
    """Return an `opened` with other fields; None leaves one out."""

    def made(self: Any, session: Any) -> Any:
        found = {**own.opened(self, session), **fields}
        return {name: value for name, value in found.items() if value is not None}

    return made


def opened_header(**fields: Any) -> Any:
    """Return an `opened_header` with other fields; None leaves one out."""

    def made(self: Any, session: Any) -> Any:
        found = {**own.opened_header(self, session), **fields}
        return {name: value for name, value in found.items() if value is not None}

    return made


def described(**fields: Any) -> Any:
    """Return a `described` with other fields; None leaves one out."""

    def made(self: Any, client: Any) -> Any:
        found = {**own.described(self, client), **fields}
        return {name: value for name, value in found.items() if value is not None}

    return made


def refusing(accepts: Any) -> Any:
    """Return an `open` that refuses clients, by their header."""

    def made(self: Any, connection: Any, asked: Any) -> Any:
        if accepts(asked.client):
            return own.open(self, connection, asked)
        return failure("UNSUPPORTED", "this client is not served")

    return made


def no_description(self: Any, connection: Any, request: Any) -> None:
    connection.refuse(failure("UNSUPPORTED", "nothing to describe"))


broken("H-1", "does not describe itself", describe=no_description)
broken(
    "U-4", "describes no terms", described=described(terms=None), first="description-is-complete"
)
broken(
    "E-1", "has a version that is none", peer=peer(spec_version="one"), first="spec-version-is-one"
)
broken("E-7", "has a digest in capitals", peer=peer(spec_digest="A" * 64))


def own_version_alone(self: Any, connection: Any, request: Any) -> None:
    if request.describe.client.spec_version != SPEC_VERSION:
        connection.refuse(failure("UNSUPPORTED_VERSION", "another version"))
        return
    own.describe(self, connection, request)


broken("H-1", "describes itself to its own version alone", describe=own_version_alone)


def free_alone(self: Any, connection: Any, request: Any) -> None:
    if self.sessions:
        connection.refuse(failure("BUSY", "a session is open"))
        return
    own.describe(self, connection, request)


broken("H-1", "does not describe itself while it is held", describe=free_alone)


def other_contract(self: Any, client: Any) -> Any:
    found = own.described(self, client)
    found["contract"].metadata.entries.add(name="for", value={"string_value": "describe"})
    return found


broken("H-1", "describes another contract than sessions get", described=other_contract)
broken(
    "H-6",
    "opens no session",
    begin=lambda self, s, a: failure("INTERNAL", "no"),
    first="open-is-answered",
)
broken(
    "H-6",
    "opens without terms",
    opened_header=opened_header(terms=None),
    first="open-answer-is-complete",
)
broken("H-6", "opens without a header", opened=opened(header=None), first="open-answer-is-complete")
broken("H-6", "opens without a contract", opened=opened(contract=None))
broken(
    "H-6",
    "has received requests at the start",
    opened_header=opened_header(received_sequence=1),
)


class NumberedOpen(RightEnv):
    def new_session(self, connection: Any, asked: Any, header: Any) -> Any:
        class Numbering:
            session = None

            def send(self, message: Any) -> None:
                message.sequence = 1
                connection.send(message)

            def __getattr__(self, name: str) -> Any:
                return getattr(connection, name)

        numbering = Numbering()
        refused = super().new_session(numbering, asked, header)  # type: ignore[arg-type]
        connection.session = numbering.session
        if numbering.session is not None:
            numbering.session.connection = connection
        return refused


broken("H-6", "answers open with sequence 1", base=NumberedOpen)
broken("H-7", "gives every session one id", opened_header=opened_header(session_id="session"))
broken("H-7", "gives sessions no id", opened_header=opened_header(session_id=""))
broken(
    "H-8",
    "has a short resume key",
    opened_header=opened_header(resume_key=b"12345678"),
    first="resume-key-is-long",
)


class OneKey(RightEnv):
    def begin(self, session: Any, asked: Any) -> Any:
        session.key = bytes(range(16)) if session.key else b""
        return super().begin(session, asked)


broken("H-8", "has one resume key for all", base=OneKey, first="resume-keys-differ")


class AlwaysResumable(RightEnv):
    def begin(self, session: Any, asked: Any) -> Any:
        session.key = session.key or bytes(range(16))
        return super().begin(session, asked)


broken(
    "H-8",
    "sends a key to a client that does not resume",
    base=AlwaysResumable,
    first="no-resume-key-without-resume",
)


def any_first(self: Any, connection: Any, request: Any) -> None:
    connection.refuse(failure("UNSUPPORTED", "expected an open"), request.sequence)


def first_without_number(self: Any, connection: Any, request: Any) -> None:
    connection.refuse(failure("WRONG_STATE", "expected an open"))


def patient_first(self: Any, connection: Any, request: Any) -> None:
    reason = failure("WRONG_STATE", "expected an open", session_closed=True)
    connection.send(self.response(sequence=request.sequence, error=reason))
    connection.receive()


broken("H-2", "answers another first request with UNSUPPORTED", not_open=any_first)
broken("H-2", "answers a first request without its number", not_open=first_without_number)
broken("H-2", "waits after a refused first request", not_open=patient_first)


def numbered_open(self: Any, connection: Any, request: Any) -> None:
    refused = self.open(connection, request.open)
    assert refused is None
    self.loop(connection)


broken("H-2", "opens a session under a number", numbered_open=numbered_open)


class NoClient(RightEnv):
    def open(self, connection: Any, asked: Any) -> Any:
        if not asked.HasField("client"):
            asked.client.spec_version = SPEC_VERSION
        return super().open(connection, asked)


broken("H-3", "opens a session for no client", base=NoClient)


class ResumeFirst(RightEnv):
    def open(self, connection: Any, asked: Any) -> Any:
        if asked.HasField("resume"):
            return self.resume(connection, asked.resume)
        return super().open(connection, asked)


broken("H-3", "resumes before it checks the version", base=ResumeFirst)


def numbered_refusal(self: Any, connection: Any, refused: Any) -> None:
    connection.refuse(refused, 1)


def open_refusal(self: Any, connection: Any, refused: Any) -> None:
    connection.send(self.response(error=refused))
    connection.end()


def patient_refusal(self: Any, connection: Any, refused: Any) -> None:
    refused.session_closed = True
    connection.send(self.response(error=refused))
    connection.receive()


broken("H-3", "refuses an open with sequence 1", refuse_open=numbered_refusal)
broken("H-3", "refuses an open without session_closed", refuse_open=open_refusal)
broken("H-3", "waits after an open that it refused", refuse_open=patient_refusal)
broken("H-4", "talks to every version", talks=lambda self, version: True)
broken(
    "H-4", "talks to versions with build metadata", talks=lambda self, v: v.startswith(SPEC_VERSION)
)


def other_code(self: Any, version: str) -> Any:
    return failure("UNSUPPORTED", f"{version} is not {SPEC_VERSION}", choices=[SPEC_VERSION])


def no_choices(self: Any, version: str) -> Any:
    return failure("UNSUPPORTED_VERSION", f"{version} is not {SPEC_VERSION}")


def other_first(self: Any, version: str) -> Any:
    words = f"{version} is not {SPEC_VERSION}"
    return failure("UNSUPPORTED_VERSION", words, choices=["0.9.0", SPEC_VERSION])


def curt(self: Any, version: str) -> Any:
    return failure("UNSUPPORTED_VERSION", "another version", choices=[SPEC_VERSION])


broken("H-4", "refuses versions with another code", other_version=other_code)
broken("H-4", "names no version that it talks", other_version=no_choices)
broken("H-4", "names another version before its own", other_version=other_first)
broken("H-4", "does not name the versions in its message", other_version=curt)


def majors(self: Any, version: str) -> bool:
    return version.split(".")[0] == SPEC_VERSION.split(".")[0] and "+" not in version


broken("E-2", "compares pre-releases by their major version", talks=majors)
broken("E-7", "refuses another digest", open=refusing(lambda c: not c.spec_digest.startswith("0")))
broken("E-10", "refuses old software", open=refusing(lambda c: c.software.get("python") != "2.7"))
broken("E-9", "refuses extensions", open=refusing(lambda c: not c.extensions))
broken(
    "H-9",
    "refuses capabilities that it does not know",
    open=refusing(lambda c: 999 not in c.capabilities),
)


class Traced(RightEnv):
    def open(self, connection: Any, asked: Any) -> Any:
        if asked.traceparent == "nonsense":
            return failure("MALFORMED", "no traceparent")
        return super().open(connection, asked)


broken("H-13", "refuses a traceparent of another form", base=Traced)


# FramesHello.


class LongHello(RightEnv):
    def greet(self, connection: Any) -> bool:
        receive = connection.receive
        connection.receive = lambda most=0: receive(1 << 20)
        try:
            return super().greet(connection)
        finally:
            connection.receive = receive


broken("B-16", "reads a long FramesHello", base=LongHello, first="long-hello-is-malformed")


class AnyHello(RightEnv):
    """Ends a connection without a word if its first message is none."""

    def greet(self, connection: Any) -> bool:
        receive = connection.receive

        def parsed(most: int = 0) -> bytes:
            data: bytes = receive(most)
            try:
                frames_pb2.FramesHello.FromString(data)
            except DecodeError:
                raise ConnectionError from None
            return data

        connection.receive = parsed
        try:
            return super().greet(connection)
        finally:
            connection.receive = receive


broken("B-16", "does not answer what is no FramesHello", base=AnyHello)


def any_service(self: Any) -> Any:
    return failure("WRONG_STATE", "another service", path="service", choices=[self.service])


def nameless(self: Any) -> Any:
    return failure("UNSUPPORTED", "another service", path="service")


broken("B-16", "refuses another service with WRONG_STATE", other_service=any_service)
broken("B-16", "does not name its services", other_service=nameless)


def goes_on(self: Any, connection: Any, request: Any) -> None:
    connection.send(self.response(describe=self.described(request.describe.client)))
    connection.receive()


broken("B-15", "leaves the connection open after describe", describe=goes_on)
broken(
    "B-16",
    "takes a long first request",
    MAX_FIRST_BYTES=1 << 20,
    first="long-first-request-is-refused",
)


class WithToken(RightEnv):
    token = "s3cret"


broken("Y-1", "needs no token", base=WithToken, admits=lambda self, token: True)
broken(
    "Y-1",
    "needs no token if none is shown",
    base=WithToken,
    admits=lambda self, t: t in ("", "s3cret"),
)
broken(
    "Y-1",
    "compares the first characters",
    base=WithToken,
    admits=lambda self, t: t.startswith("s3cret"),
)
broken("Y-1", "compares without case", base=WithToken, admits=lambda self, t: t.lower() == "s3cret")
broken(
    "Y-1",
    "tells a missing token from a wrong one",
    base=WithToken,
    refusal=lambda self, token: "a wrong token" if token else "no token",
)


class ServiceBeforeToken(WithToken):
    def greet(self, connection: Any) -> bool:
        receive = connection.receive

        def first(most: int = 0) -> bytes:
            data: bytes = receive(most)
            self.asked = frames_pb2.FramesHello.FromString(data).service
            return data

        connection.receive = first
        try:
            return super().greet(connection)
        finally:
            connection.receive = receive

    asked = ""

    def admits(self, token: str) -> bool:
        return self.asked != self.service or super().admits(token)


broken("B-16", "checks the service before the token", base=ServiceBeforeToken)
