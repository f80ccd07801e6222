"""A first environment server without any library: sockets, lengths and bytes, to port line by line.

spec/FIRST_SERVER.md explains each part. It serves a point on a line over frames alone (CONTRACT.md,
B-15): the observation is its position and its speed, the action pushes it left (0) or right (1).
"""

import os
import socket
import struct
import sys

SPEC_VERSION = "1.0.0rc3"
VERSION = SPEC_VERSION.encode()


# Protobuf: a message is fields, each a tag (number * 8 + wire type) and its content.


def varint(n):
    out = b""
    while n > 127:
        out, n = out + bytes([n % 128 + 128]), n // 128
    return out + bytes([n])


def number(field, n):
    return varint(field * 8) + varint(n)


def part(field, content):
    return varint(field * 8 + 2) + varint(len(content)) + content


def double(field, x):
    return varint(field * 8 + 1) + struct.pack("<d", x)


def read(data):
    """Return the fields of a message: number -> integer, or bytes; the last one of each counts."""
    fields, at = {}, 0

    def integer():
        nonlocal at
        n = shift = 0
        while True:
            byte, at = data[at], at + 1
            n, shift = n + (byte % 128 << shift), shift + 7
            if byte < 128:
                return n

    while at < len(data):
        tag = integer()
        if tag % 8 == 0:
            fields[tag // 8] = integer()
            continue
        size = {1: 8, 2: None, 5: 4}[tag % 8]
        size = integer() if size is None else size
        if at + size > len(data):
            raise ValueError("a field is cut short")
        fields[tag // 8], at = data[at : at + size], at + size
    return fields


# The environment, and what it is: EnvContract.

# Box(-10, 10, (2,), float32): dtype 12, shape [2], and bounds of one value each.
BOX = number(1, 12) + part(2, b"\2")
BOX += part(3, part(1, struct.pack("<f", -10))) + part(4, part(1, struct.pack("<f", 10)))
OBSERVATION_SPACE = part(1, BOX)
ACTION_SPACE = part(2, number(1, 5) + number(2, 2))  # Discrete(2), int64: dtype 5.
CONTRACT = part(1, b"Point") + part(2, VERSION) + part(3, OBSERVATION_SPACE)
CONTRACT += part(4, ACTION_SPACE) + number(5, 1)
SERVER = part(1, VERSION) + part(3, b"first-server/1")
TERMS = number(2, 1 << 20)  # The largest message, in bytes. No grace period: no resume.


class Point:
    def reset(self):
        self.position, self.speed, self.steps = 0.0, 0.0, 0

    def step(self, action):
        self.speed += 0.1 if action == 1 else -0.1
        self.position += self.speed
        self.steps += 1
        return 1.0 - abs(self.position), abs(self.position) > 5, self.steps >= 50

    def observation(self):
        return part(1, struct.pack("<ff", self.position, self.speed))  # A Value of one slab.


# A connection: each message after its length, four bytes, little-endian.


def receive(peer, most):
    (size,) = struct.unpack("<I", exactly(peer, 4))
    if size > most:
        raise ValueError("too long")
    return exactly(peer, size)


def exactly(peer, size):
    data = b""
    while len(data) < size:
        more = peer.recv(size - len(data))
        if not more:
            raise ConnectionError("the client is gone")
        data += more
    return data


def error(sequence, code, message, closed=False, more=b""):
    """Return a SessionResponse with a Failure."""
    failure = number(1, code) + part(2, message) + more + number(8, closed)
    return number(1, sequence) + part(3, failure)


def answer(env, last, request):
    """Return the answer to a numbered request, and whether it is the last one."""
    sequence = request.get(1, 0)
    if sequence != last + 1:
        return error(sequence, 6, b"out of sequence"), False
    if 4 in request:  # reset
        env.reset()
        return number(1, sequence) + part(5, part(1, env.observation())), False
    if 5 in request:  # step: StepRequest.action is a Value with one slab of one int64.
        step = read(request[5])
        if 1 not in step:
            return error(sequence, 2, b"a step has no action", more=part(5, b"action")), False
        value = read(step[1])
        slab = value.get(1, b"")
        action = struct.unpack("<q", slab)[0] if len(slab) == 8 else -1
        if action not in (0, 1) or 2 in value:  # 2 is the size of a batch, which this is not.
            reason = part(5, b"action") + part(6, b"0 or 1") + part(7, b"something else")
            return error(sequence, 3, b"expected 0 or 1", more=reason), False
        reward, terminated, truncated = env.step(action)
        done = part(1, env.observation()) + double(2, reward)
        done += number(3, terminated) + number(4, truncated)
        return number(1, sequence) + part(6, done), False
    if 11 in request:  # close
        return number(1, sequence) + part(12, b""), True
    return error(sequence, 8, b"not supported"), False


def serve(peer, env, token):
    """Play one connection."""

    def send(message):
        peer.sendall(struct.pack("<I", len(message)) + message)

    hello = read(receive(peer, 8192))
    if token and hello.get(2, b"") != token:
        send(error(0, 9, b"no token, or a wrong one", True))
        return
    if hello.get(1) != b"rlmesh.proto.env.v1.EnvService":
        service = b"rlmesh.proto.env.v1.EnvService"
        send(error(0, 8, b"only environments are served here", True, part(10, service)))
        return
    first = read(receive(peer, 65_536))
    if 15 in first:  # describe
        send(part(15, part(1, SERVER) + part(2, CONTRACT) + part(3, TERMS)))
        return
    sequence = first.get(1, 0)
    if 3 not in first:  # open
        send(error(sequence, 5, b"expected an open", True))
        return
    header = read(first[3])
    if sequence or 1 not in header:
        send(error(sequence, 2, b"expected open with sequence 0 and a client", True))
        return
    if read(header[1]).get(1) != VERSION:
        send(error(0, 7, b"this server has spec " + VERSION, True, part(10, VERSION)))
        return
    if 2 in header:  # resume
        send(error(0, 12, b"no session can be resumed", True))
        return
    session = os.urandom(8).hex().encode()
    opened = part(1, SERVER) + part(2, session) + part(4, TERMS)  # OpenedHeader
    send(part(4, part(1, opened) + part(2, CONTRACT)))
    last, over = 0, False
    while not over:
        message = receive(peer, 1 << 20)
        if not message:
            continue  # A pulse; this server is never silent for 20 s, so it sends none.
        request = read(message)
        reply, over = answer(env, last, request)
        last += request.get(1, 0) == last + 1
        send(reply)


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    print("frames://127.0.0.1:%d" % listener.getsockname()[1], flush=True)
    env, token = Point(), sys.argv[1].encode() if len(sys.argv) > 1 else b""
    while True:
        peer, _ = listener.accept()
        peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            serve(peer, env, token)
        except (OSError, ValueError, IndexError, KeyError, struct.error) as fault:
            print("a connection has ended:", fault, file=sys.stderr)
        finally:
            peer.close()


if __name__ == "__main__":
    main()
