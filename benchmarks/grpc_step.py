"""A step of CartPole over gRPC beside a bare grpcio bidirectional-stream echo of the same bytes.

A third side is the same echo with only the environment's step in its handler: no contract on top of
a grpcio stream can be faster.

All servers are separate processes; the sides take turns in blocks. The kernel's placement of their
threads affects the result more than either side does, and lasts as long as the processes. Therefore
there are several rounds of fresh processes, and the median of their ratios counts. Run by `make
bench`.
"""

from __future__ import annotations

import json
import multiprocessing
import queue
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

ROUNDS = 7
BLOCKS = 12
STEPS = 100

FLOOR = "bare grpcio echo"
STEPPING = "the same around env.step"
REMOTE = "RemoteEnv.step over gRPC"

Side = Callable[[], None]


def serve_echo(pipe: Connection, answer_size: int, steps: bool) -> None:
    """Serve a bare gRPC stream that answers each message with `answer_size` bytes.

    Args:
        pipe: Pipe that gets the address.
        answer_size: Size of an answer in bytes.
        steps: Whether to step CartPole-v1 for each message.
    """
    import grpc
    import gymnasium

    answer = b"x" * answer_size
    step = env_side(gymnasium.make("CartPole-v1")) if steps else lambda: None

    def answers(requests: Any, context: Any) -> Any:
        for _ in requests:
            step()
            yield answer

    class Echo(grpc.GenericRpcHandler):
        def service(self, handler_call_details: Any) -> Any:
            return grpc.stream_stream_rpc_method_handler(answers)

    server = grpc.server(ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers((Echo(),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    pipe.send(f"127.0.0.1:{port}")
    server.wait_for_termination()


def serve_cartpole(pipe: Connection) -> None:
    """Serve CartPole-v1 as a user does."""
    import gymnasium

    import rlmesh

    server = rlmesh.EnvServer(gymnasium.make("CartPole-v1"))
    server.serve(on_ready=lambda: pipe.send(server.address))


def echo_side(address: str, request_size: int) -> Side:
    """Return a function that makes one exchange with the bare server."""
    import grpc

    outgoing: queue.SimpleQueue[bytes] = queue.SimpleQueue()
    channel = grpc.insecure_channel(address)
    answers = channel.stream_stream("/bare/Echo")(iter(outgoing.get, None))
    request = b"x" * request_size

    def exchange() -> None:
        outgoing.put(request)
        next(answers)

    return exchange


def env_side(env: Any) -> Side:
    """Return a function that makes one step, and a reset if the episode has ended."""
    state = {"action": 0, "ended": True}

    def step() -> None:
        if state["ended"]:
            env.reset(seed=0)
        state["action"] ^= 1
        _, _, terminated, truncated, _ = env.step(state["action"])
        state["ended"] = terminated or truncated

    return step


def interleave(sides: dict[str, Side]) -> dict[str, list[float]]:
    """Return the seconds of each call of each side; the sides take turns in blocks."""
    seconds: dict[str, list[float]] = {name: [] for name in sides}
    for block in range(BLOCKS + 2):
        for name, side in sides.items():
            for _ in range(STEPS):
                start = time.perf_counter()
                side()
                if block >= 2:  # The first blocks warm up.
                    seconds[name].append(time.perf_counter() - start)
    return seconds


def start(function: Callable[..., None], *arguments: Any) -> tuple[Any, str]:
    """Start a server process, and return it with its address."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=function, args=(theirs, *arguments), daemon=True)
    process.start()
    return process, ours.recv()


def measure_round() -> dict[str, list[float]]:
    """Measure each call in seconds, by side, in fresh processes; the first side is the floor."""
    import gymnasium

    from rlmesh.numpy import RemoteEnv

    cartpole, address = start(serve_cartpole)
    # The size of a step's frames for CartPole: 16 bytes to the server, about 50 back.
    echo, bare_address = start(serve_echo, 46, False)
    stepping, stepping_address = start(serve_echo, 46, True)
    try:
        remote = RemoteEnv(address, transport="grpc")
        sides = {
            FLOOR: echo_side(bare_address, 16),
            STEPPING: echo_side(stepping_address, 16),
            REMOTE: env_side(remote),
            "env.step in process": env_side(gymnasium.make("CartPole-v1")),
        }
        seconds = interleave(sides)
        remote.close()
        return seconds
    finally:
        for process in (cartpole, echo, stepping):
            process.terminate()
            process.join(10)


def main() -> None:
    """Measure and print medians, quartiles and ratios; the last line is JSON."""
    rounds = [medians(measure_round()) for _ in range(ROUNDS)]
    print(f"{'median of each round, us':28}" + "".join(f"{i + 1:9}" for i in range(ROUNDS)))
    for name in rounds[0]:
        print(f"{name:28}" + "".join(f"{values[name]:9.1f}" for values in rounds))
    ratios = [values[REMOTE] / values[FLOOR] for values in rounds]
    print(f"{'ratio to the bare echo':28}" + "".join(f"{ratio:9.2f}" for ratio in ratios))
    above = [values[REMOTE] / values[STEPPING] for values in rounds]
    print(f"{'ratio to that with steps':28}" + "".join(f"{ratio:9.2f}" for ratio in above))
    low, ratio, high = statistics.quantiles(ratios, n=4)
    print(f"ratio: median {ratio:.2f}, quartiles {low:.2f} to {high:.2f}")
    print(json.dumps({"ratio": ratio, "rounds_us": rounds, "steps_a_round": BLOCKS * STEPS}))


def medians(seconds: dict[str, list[float]]) -> dict[str, float]:
    """Return the median of each side in microseconds."""
    return {name: statistics.median(values) * 1e6 for name, values in seconds.items()}


if __name__ == "__main__":
    main()
