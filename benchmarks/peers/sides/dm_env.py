"""dm_env_rpc: a server like its example, and its own adaptor as the client."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import numpy
from dm_env_rpc.v1 import (
    connection,  # pants: no-infer-dep
    dm_env_adaptor,  # pants: no-infer-dep
    spec_manager,  # pants: no-infer-dep
    tensor_utils,  # pants: no-infer-dep
)
from dm_env_rpc.v1 import dm_env_rpc_pb2 as messages  # pants: no-infer-dep
from dm_env_rpc.v1 import dm_env_rpc_pb2_grpc as services  # pants: no-infer-dep

from benchmarks.peers.cases import Case
from benchmarks.peers.sides import environments, program

UNLIMITED = [("grpc.max_send_message_length", -1), ("grpc.max_receive_message_length", -1)]

RUNNING = messages.EnvironmentStateType.RUNNING
TERMINATED = messages.EnvironmentStateType.TERMINATED


class Server(services.EnvironmentServicer):
    """One environment for one client; every episode has seed 0, because dm_env has no seeds."""

    def __init__(self, case: Case) -> None:
        self._env = environments.make(case)
        observation = self._env.reset(seed=0)[0]
        named = _named(observation)
        # Pixels are sent as bytes; values without a dtype of their own there as int64.
        self._specs = messages.ActionObservationSpecs()
        _specify(self._specs.actions, {"action": numpy.asarray(environments.actions(case)[0])})
        _specify(self._specs.observations, {**named, "reward": numpy.float64(0)})
        self._actions = spec_manager.SpecManager(self._specs.actions)
        self._observations = spec_manager.SpecManager(self._specs.observations)
        self._ended = True

    def Process(self, request_iterator: Any, context: Any) -> Iterator[Any]:  # noqa: N802
        for request in request_iterator:
            kind = request.WhichOneof("payload")
            yield getattr(self, f"_{kind}")(getattr(request, kind))

    def _create_world(self, request: Any) -> Any:
        return messages.EnvironmentResponse(create_world={"world_name": "world"})

    def _join_world(self, request: Any) -> Any:
        return messages.EnvironmentResponse(join_world={"specs": self._specs})

    def _reset(self, request: Any) -> Any:
        self._ended = True
        return messages.EnvironmentResponse(reset={"specs": self._specs})

    def _leave_world(self, request: Any) -> Any:
        return messages.EnvironmentResponse(leave_world={})

    def _step(self, request: Any) -> Any:
        if self._ended:
            observation, reward, self._ended = self._env.reset(seed=0)[0], 0.0, False
        else:
            action = self._actions.unpack(request.actions)["action"]
            observation, reward, terminated, truncated, _ = self._env.step(action)
            self._ended = terminated or truncated
        values = {**_named(observation), "reward": numpy.float64(reward)}
        response = messages.StepResponse(
            state=TERMINATED if self._ended else RUNNING,
            observations=self._observations.pack(values),
        )
        return messages.EnvironmentResponse(step=response)


def _named(observation: Any) -> dict[str, Any]:
    return observation if isinstance(observation, dict) else {"observation": observation}


def _specify(specs: Any, values: dict[str, Any]) -> None:
    for number, (name, value) in enumerate(values.items(), 1):
        kind = tensor_utils.np_type_to_data_type(value.dtype)
        specs[number].CopyFrom(messages.TensorSpec(name=name, shape=value.shape, dtype=kind))


class Adaptor:
    """A client."""

    def __init__(self, address: str) -> None:
        options = [*UNLIMITED, ("grpc.enable_http_proxy", 0)]
        self._channel = grpc.insecure_channel(address, options=options)
        self._env, _ = dm_env_adaptor.create_and_join_world(
            connection.Connection(self._channel), create_world_settings={}, join_world_settings={}
        )

    def reset(self, seed: int | None) -> Any:
        return self._env.reset().observation

    def step(self, action: Any) -> tuple[Any, bool]:
        timestep = self._env.step({"action": action})
        return timestep.observation, timestep.last()

    def plain(self, observation: dict[str, Any]) -> Any:
        """Return the observation in the environment's order; the adaptor does not sort it."""
        return observation.get("observation", dict(sorted(observation.items())))

    def close(self) -> None:
        self._env.close()
        self._channel.close()


def serve(case: Case, option: str, ready: program.Ready) -> None:
    server = grpc.server(ThreadPoolExecutor(1), options=UNLIMITED)
    services.add_EnvironmentServicer_to_server(Server(case), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    ready(f"127.0.0.1:{port}")
    signal.pause()


def connect(case: Case, option: str, address: str) -> Adaptor:
    return Adaptor(address)


if __name__ == "__main__":
    program.run(connect, serve, versions=["dm-env-rpc", "grpcio", "protobuf", "numpy"])
