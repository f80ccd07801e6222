"""OpenEnv: an Environment behind its app, and its generic client with synchronous wrapper."""

from __future__ import annotations

import base64
import socket
from typing import Any

import numpy
import uvicorn  # pants: no-infer-dep
from openenv.core import GenericEnvClient  # pants: no-infer-dep
from openenv.core.env_server import (
    Action,  # pants: no-infer-dep
    Environment,  # pants: no-infer-dep
    Observation,  # pants: no-infer-dep
    State,  # pants: no-infer-dep
    create_fastapi_app,  # pants: no-infer-dep
)

from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program


class Move(Action):
    """An action: a number, or a list of numbers."""

    value: Any


class Seen(Observation):
    """An observation; pixels are base64, the most compact form of bytes in JSON."""

    arrays: list[Any]


class Served(Environment[Move, Seen, State]):
    """The environment, with the coroutines that the server awaits instead of using a thread."""

    case: Case

    def __init__(self) -> None:
        super().__init__()
        self._env = environments.make(self.case)

    def reset(self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any) -> Seen:
        return Seen(arrays=_packed(self._env.reset(seed=seed)[0]))

    async def reset_async(
        self, seed: int | None = None, episode_id: str | None = None, **kwargs: Any
    ) -> Seen:
        return self.reset(seed)

    def step(self, action: Move, timeout_s: float | None = None, **kwargs: Any) -> Seen:
        value = action.value
        if isinstance(value, list):
            value = numpy.asarray(value, numpy.float32)
        observation, reward, terminated, truncated, _ = self._env.step(value)
        return Seen(arrays=_packed(observation), reward=reward, done=terminated or truncated)

    async def step_async(self, action: Move, timeout_s: float | None = None, **kwargs: Any) -> Seen:
        return self.step(action)

    @property
    def state(self) -> State:
        return State()


def _packed(observation: Any) -> list[Any]:
    return [
        base64.b64encode(array).decode() if array.dtype == numpy.uint8 else array.tolist()
        for array in environments.leaves(observation)
    ]


class Client:
    """A client that makes arrays from the received values."""

    def __init__(self, case: Case, address: str) -> None:
        like = environments.make(case).reset(seed=0)[0]
        self._like = like
        self._shapes = [(x.dtype, x.shape) for x in environments.leaves(like)]
        self._env: Any = GenericEnvClient(base_url=address).sync()
        self._env.connect()

    def reset(self, seed: int | None) -> Any:
        return self._arrays(self._env.reset(**({} if seed is None else {"seed": seed})))

    def step(self, action: Any) -> tuple[Any, bool]:
        value = action if isinstance(action, int) else action.tolist()
        result = self._env.step({"value": value})
        return self._arrays(result), result.done

    def _arrays(self, result: Any) -> Any:
        return environments.rebuild(
            self._like,
            [
                numpy.frombuffer(base64.b64decode(data), dtype).reshape(shape)
                if isinstance(data, str)
                else numpy.array(data, dtype)
                for data, (dtype, shape) in zip(result.observation["arrays"], self._shapes)
            ],
        )

    def close(self) -> None:
        self._env.close()


def serve(case: Case, option: str, ready: program.Ready) -> None:
    Served.case = case
    app = create_fastapi_app(Served, Move, Seen)
    listener = socket.create_server(("127.0.0.1", 0))
    ready(f"http://127.0.0.1:{listener.getsockname()[1]}")
    # By default Uvicorn compresses every message.
    config = uvicorn.Config(app, log_level="warning", ws_per_message_deflate=False)
    uvicorn.Server(config).run(sockets=[listener])


def connect(case: Case, option: str, address: str) -> Client:
    return Client(case, address)


if __name__ == "__main__":
    program.run(connect, serve, versions=["openenv-core", "uvicorn", "websockets", "pydantic"])
