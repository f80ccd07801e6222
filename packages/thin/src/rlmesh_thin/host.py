"""The host: it accepts connections, admits clients, and gives each session an instance."""

import collections
import hmac
import socket
import threading
import time
from typing import Any, Deque, Dict, List, Optional, Tuple

from rlmesh_thin._version import __version__
from rlmesh_thin.connection import PULSE_SECONDS, Connection, Lost, TooLarge
from rlmesh_thin.faults import (
    BUSY,
    MALFORMED,
    OUT_OF_SEQUENCE,
    SHUTTING_DOWN,
    UNAUTHENTICATED,
    UNKNOWN_SESSION,
    UNSUPPORTED,
    UNSUPPORTED_VERSION,
    WRONG_STATE,
    Fault,
)
from rlmesh_thin.messages import (
    HELLO,
    OPEN,
    PEER,
    RESUME,
    SERVICE,
    error_frame,
    frame_of,
    peer_info,
    read_request,
    session_terms,
)
from rlmesh_thin.output import note
from rlmesh_thin.session import GRACE_SECONDS, Instance, Session
from rlmesh_thin.wire import Unreadable, check_message, field_blob, field_uint, read_message

__all__ = ["Host"]

MAX_CONNECTIONS = 2048
MAX_LINE = 512
"""Max number of clients in line: the other connections are for sessions that are resumed."""
FIRST_SECONDS = 10.0
HELLO_BYTES = 8192
OPEN_BYTES = 65536
RESUMES, RENDERS = 1, 5
CAPABILITIES = (RESUMES, 2, 3, 6)
"""RESUME, STEP_MANY, ATTRIBUTES and QUEUE."""


class Host:
    """Serves environments on one listener.

    Args:
        listener: A socket that listens.
        servicers: One for each environment.
        contract: The encoded EnvContract of all of them.
        renders: Whether they render.
        token: Bearer token; empty: none.
        context: Context of TLS; None: none.
    """

    def __init__(
        self,
        listener: socket.socket,
        servicers: List[Any],
        contract: bytes,
        renders: bool,
        token: str = "",
        context: Any = None,
    ) -> None:
        self._listener = listener
        self._contract = contract
        self._token = token
        self._context = context
        self._capabilities = bytes(CAPABILITIES + ((RENDERS,) if renders else ()))
        # Of an RLock, so that the handler of a signal may use it on the thread that holds it.
        lock = threading.RLock()
        self._changed = threading.Condition(lock)
        self._stopping = False
        self._line: Deque[Connection] = collections.deque()
        # Those that have not sent their first request, the oldest first.
        self._strangers: Dict[Connection, None] = collections.OrderedDict()
        self._open = 0
        self.instances = [Instance(s, lock, self._changed, self.is_stopping) for s in servicers]

    def is_stopping(self) -> bool:
        """Return whether the host shuts down."""
        return self._stopping

    def start(self) -> None:
        """Accept connections, on threads of their own."""
        for target in (self._accept, self._send_pulses):
            threading.Thread(target=target, daemon=True).start()

    def stop(self) -> None:
        """Shut down: each running call is answered, and no other begins; also from a signal."""
        self._stopping = True
        try:
            self._listener.shutdown(socket.SHUT_RDWR)  # This ends the wait in `_accept`.
        except OSError:
            pass
        self._listener.close()
        with self._changed:
            for instance in self.instances:
                session = instance.session
                if session is not None and session.connection is not None and not session.running:
                    session.connection.shut(socket.SHUT_RD)
            self._changed.notify_all()

    def drain(self) -> None:
        """Wait a second at most until the clients that wait to be admitted are refused."""
        with self._changed:
            self._changed.wait_for(lambda: not self._open, 1.0)

    def _accept(self) -> None:
        while not self._stopping:
            try:
                connected = self._listener.accept()[0]
            except OSError as error:
                if not self._stopping:
                    note("a connection was not accepted: %s" % error)
                    time.sleep(0.1)
                continue
            try:
                self._begin_welcome(connected)
            except RuntimeError as error:
                note("a connection was refused: %s" % error)
                connected.close()

    def _begin_welcome(self, connected: Any) -> None:
        """Admit a client on a thread of its own; raise RuntimeError if there is no room for it."""
        if self._open >= MAX_CONNECTIONS and not self._cut_stranger():
            raise RuntimeError("%d connections are open" % self._open)
        with self._changed:
            self._open += 1
        try:
            threading.Thread(target=self._welcome, args=(connected,), daemon=True).start()
        except RuntimeError:
            with self._changed:
                self._open -= 1
            raise

    def _cut_stranger(self) -> bool:
        """End the oldest connection without a first request; return False if there is none."""
        with self._changed:
            if not self._strangers:
                return False
            # Its thread closes the socket only once the connection is no longer among them.
            connection = next(iter(self._strangers))
            del self._strangers[connection]
            connection.shut()
            return True

    def _send_pulses(self) -> None:
        while True:
            time.sleep(PULSE_SECONDS)
            self.pulse()

    def pulse(self) -> None:
        """Send an empty frame to each client that waits for an answer, or for its turn."""
        with self._changed:
            sessions = [i.session for i in self.instances if i.session]
            running, line = [s for s in sessions if s.running], list(self._line)
        # Each under the lock, because its own thread could use the socket as soon as the client
        # does not wait any more, and TLS allows only one thread at a time.
        for session in running:
            with self._changed:
                if session.running and session.connection:
                    session.connection.pulse()
        for connection in line:
            with self._changed:
                if connection in self._line:
                    connection.pulse()
        for session in sessions if self._stopping else ():
            if session not in running and session.connection:
                session.connection.shut()  # Its client does not read the last answer.

    def _welcome(self, connected: Any) -> None:
        """Admit a client, on this thread; its session goes on on that of its instance."""
        connection = None
        closed = True
        try:
            deadline = time.monotonic() + FIRST_SECONDS
            if self._context is not None:
                connected.settimeout(FIRST_SECONDS)
                connected = self._context.wrap_socket(
                    connected, server_side=True, do_handshake_on_connect=False
                )
            connection = Connection(connected, deadline)
            with self._changed:
                self._strangers[connection] = None
            closed = self._converse(connection)
            if closed:
                connection.linger()
        except (Lost, OSError, ValueError):
            pass
        finally:
            if connection is not None:
                with self._changed:
                    self._strangers.pop(connection, None)
            if closed:
                connected.close()
            with self._changed:
                self._open -= 1
                self._changed.notify_all()

    def _converse(self, connection: Connection) -> bool:
        """Answer a client's first messages; return whether the connection ends then.

        Until the first request has come, and after a refusal without one, the connection may be
        ended for another.
        """
        sequence = 0
        try:
            connection.shake_hands()
            self._check_hello(connection.receive_first(HELLO_BYTES))
            request = read_request(connection.receive_first(OPEN_BYTES))
            sequence = request.sequence
            with self._changed:
                self._strangers.pop(connection, None)
            connection.limit(FIRST_SECONDS)  # For a client that does not read the answer.
            return self._begin(connection, request)
        except (TooLarge, Unreadable) as error:
            rule = "B-16" if isinstance(error, TooLarge) else "Q-8"
            fault = Fault(MALFORMED, "%s: %s" % (rule, error))
        except Fault as found:
            fault = found
        connection.try_to_send(error_frame(sequence, fault, True))
        return True

    def _check_hello(self, message: bytes) -> None:
        """Raise Fault for a client that may not enter (B-16)."""
        check_message(message, HELLO)
        hello = read_message(message, HELLO)
        token = hello.get("token", "").encode()
        if self._token and not hmac.compare_digest(token, self._token.encode()):
            raise Fault(UNAUTHENTICATED, "Y-1: this server needs a bearer token, and another one")
        if hello.get("service") != SERVICE:
            text = "B-16: expected the service %s, got %.200r" % (SERVICE, hello.get("service", ""))
            raise Fault(UNSUPPORTED, text, "service", choices=(SERVICE,))
        if self._stopping:
            raise Fault(SHUTTING_DOWN, "the server is shutting down")

    def _begin(self, connection: Connection, request: Any) -> bool:
        """Answer the first request; return whether the connection ends then."""
        if request.kind not in ("open", "describe"):
            text = "H-2: the first request is open or describe, got %s" % (
                request.kind or "another"
            )
            raise Fault(WRONG_STATE, text)
        if request.sequence:
            raise Fault(
                MALFORMED, "H-2: the first request has sequence 0, got %d" % request.sequence
            )
        info = field_blob(1, peer_info(self._capabilities))
        if request.kind == "describe":
            terms = field_blob(3, session_terms(int(GRACE_SECONDS * 1000)))
            answer = frame_of(0, "describe", [info, field_blob(2, self._contract), terms])
            connection.send(answer)
            return True
        found = read_message(request.body, OPEN)
        if "client" not in found:
            raise Fault(MALFORMED, "G-8: expected the field client", "client")
        client = read_message(found["client"], PEER, 1000)
        version = client.get("spec_version", "")
        if version != __version__ and not _talk(version, __version__):
            text = (
                "H-4: this server has spec %s, the client %.60r; install the client of that version"
            )
            raise Fault(UNSUPPORTED_VERSION, text % (__version__, version), choices=(__version__,))
        if self._stopping:
            raise Fault(SHUTTING_DOWN, "the server is shutting down")
        if "resume" in found:
            session, received = self._resume(read_message(found["resume"], RESUME), connection)
        else:
            grace = GRACE_SECONDS if RESUMES in client.get("capabilities", ()) else 0.0
            session = Session(client.get("name", ""), grace)
            self._take(session, connection, found.get("wait_ms", 0) / 1000)
            received = 0
        self._open_session(connection, session, received, info, "resume" not in found)
        return False

    def _open_session(
        self, connection: Connection, session: Session, received: int, info: bytes, new: bool
    ) -> None:
        head = info + field_blob(2, session.id)
        head += field_blob(3, session.key) if session.key else b""
        head += field_blob(4, session_terms(int(session.grace * 1000)))
        head += field_uint(5, received) if received else b""
        parts = [field_blob(1, head)]
        parts += [field_blob(2, self._contract)] if new else []
        try:
            connection.send(frame_of(0, "open", parts))
            connection.welcome()
        except OSError:
            connection.shut()  # The instance's thread finds the connection lost.
        with self._changed:
            if session.connection is connection:
                session.ready = True
            self._changed.notify_all()

    def _take(self, session: Session, connection: Connection, wait: float) -> None:
        """Let a session hold a free instance, in its turn (K-4, K-5)."""
        deadline = time.monotonic() + wait
        with self._changed:
            if len(self._line) >= MAX_LINE:
                text = "%d clients wait already" % MAX_LINE
                raise Fault(BUSY, text, holder=self._holder())
            self._line.append(connection)
            try:
                while not self._stopping:
                    free = [i for i in self.instances if i.session is None]
                    if free and self._line[0] is connection:
                        free[0].session = session
                        session.connection = connection
                        return
                    left = deadline - time.monotonic()
                    # Those before this one in line take the free instances first.
                    if left <= 0 and len(free) <= self._line.index(connection):
                        raise Fault(BUSY, "every instance is held", holder=self._holder())
                    if connection.is_gone():
                        raise Lost("the client has left the line")
                    self._changed.wait(min(max(left, 0.01), 0.25))
            finally:
                self._line.remove(connection)
                self._changed.notify_all()
        raise Fault(SHUTTING_DOWN, "the server is shutting down")

    def _holder(self) -> bytes:
        """Return the field of a SessionHolder: of the session that holds longest."""
        sessions = [i.session for i in self.instances if i.session is not None]
        if not sessions:
            return b""
        session = min(sessions, key=lambda s: s.since)
        held = int((time.monotonic() - session.since) * 1000)
        return field_blob(9, field_blob(1, session.name) + field_uint(3, held))

    def _resume(self, resume: Dict[str, Any], connection: Connection) -> Tuple[Session, int]:
        """Return a session that goes on over another connection, and what it has received (§6)."""
        awaited, key = resume.get("awaited_sequence", 0), bytes(resume.get("resume_key", b""))
        found: Optional[Session] = None
        current = None
        with self._changed:
            for instance in self.instances:
                session = instance.session or Session("", 1.0)
                if session.proves(key) and session.id == resume.get("session_id"):
                    found, current = session, instance.current
            if found is None:
                raise Fault(UNKNOWN_SESSION, "R-5: there is no such session to resume")
            if awaited < 1 or awaited - found.received not in (0, 1):
                text = "R-6: expected to await %d or %d, got %d"
                raise Fault(OUT_OF_SEQUENCE, text % (found.received, found.received + 1, awaited))
            older, found.connection, found.ready = found.connection, connection, False
            self._changed.notify_all()
            if older is not None:
                older.shut()
                if older is not current:
                    older.close()  # The instance's thread has not seen it.
            return found, found.received


def _talk(one: str, other: str) -> bool:
    """Return whether two spec versions talk (E-2) that are not equal."""
    parts = [version.split(".") for version in (one, other)]
    final = all(len(p) == 3 and all(n.isdigit() for n in p) for p in parts)
    return final and parts[0][0] == parts[1][0]
