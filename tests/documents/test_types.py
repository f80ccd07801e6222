"""The page types.txt."""

from __future__ import annotations

import inspect
import typing
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

import rlmesh
from rlmesh import types
from tests.documents.pages import assert_on_page, named, quotations
from tests.integration.envs import CounterEnv

PAGE = "types.txt"
OPTIONS = {"seed": "int | None", "options": "dict[str, object] | None"}


@dataclass(frozen=True)
class Method:
    """A method as the page has it.

    Attributes:
        owner: Its protocol.
        text: Its name and parameters.
        types: Types of its parameters.
        result: Type of its result.
        says: Text of its description.
    """

    owner: str
    text: str
    types: dict[str, str]
    result: str
    says: str

    @property
    def quoted(self) -> str:
        """As the page prints it."""
        parameters = "".join(f"\u2022 {name} ({kind})\n" for name, kind in self.types.items())
        many = len(self.types) > 1
        listed = parameters if many else parameters.replace("\u2022 ", "")
        head = f"{self.text}[source]\n{self.says}\n"
        return f"{head}{'Parameters:' + listed if listed else ''}Return type:\n{self.result}"


METHODS = [
    Method(
        "EnvLike",
        "reset(*, seed=None, options=None)",
        OPTIONS,
        "tuple[EnvObsT, dict[str, object]]",
        "Reset the environment and return the initial observation.",
    ),
    Method(
        "EnvLike",
        "step(action)",
        {"action": "EnvActT"},
        "tuple[EnvObsT, SupportsFloat, bool, bool, dict[str, object]]",
        "Apply one action and return the Gymnasium-style step tuple.",
    ),
    Method("EnvLike", "close()", {}, "None", "Release environment resources."),
    Method("SpaceLike", "sample()", {}, "SpaceT", "Return one valid sample from the space."),
    Method(
        "SpaceLike",
        "contains(value, /)",
        {"value": "Any"},
        "bool",
        "Return whether value belongs to the space.",
    ),
    Method(
        "SpaceLike",
        "seed(seed=None)",
        {"seed": "int | None"},
        "int | list[int] | dict[str, int] | None",
        "Seed the space sampler.",
    ),
    Method(
        "VectorEnvLike",
        "reset(*, seed=None, options=None)",
        OPTIONS,
        "tuple[object, dict[str, object]]",
        "Reset all environments and return batched observations.",
    ),
    Method(
        "VectorEnvLike",
        "step(actions)",
        {"actions": "BatchActionT"},
        "tuple[object, object, object, object, dict[str, object]]",
        "Apply a batch of actions and return batched step values.",
    ),
    Method("VectorEnvLike", "close()", {}, "None", "Release vector environment resources."),
]

# Protocol, property, type, and the text of its description.
PROPERTIES = [
    (
        "EnvLike",
        "observation_space",
        "SpaceLike[EnvObsT]",
        "Space describing reset and step observations.",
    ),
    ("EnvLike", "action_space", "SpaceLike[EnvActT]", "Space describing accepted actions."),
    ("VectorEnvLike", "num_envs", "int", "Number of environment instances in the vector."),
    (
        "VectorEnvLike",
        "single_observation_space",
        "SpaceLike[VectorObsT]",
        "Observation space for one environment in the vector.",
    ),
    (
        "VectorEnvLike",
        "single_action_space",
        "SpaceLike[VectorActT]",
        "Action space for one environment in the vector.",
    ),
]

# Protocol, its parameters, and the text of its description.
PROTOCOLS = [
    ("EnvLike", "EnvObsT, EnvActT", "Structural protocol for single environment."),
    ("SpaceLike", "SpaceT", "Structural protocol for RLMesh-compatible spaces."),
    (
        "VectorEnvLike",
        "BatchActionT, VectorObsT, VectorActT",
        "Structural protocol for vectorized environments.",
    ),
]

SNIPPETS = (
    *(method.quoted for method in METHODS),
    *(f"property {name}: {kind}[source]\n{says}" for _, name, kind, says in PROPERTIES),
    *(
        f"class rlmesh.types.{name}[source]\nBases: Protocol[{parameters}]\n{says}"
        for name, parameters, says in PROTOCOLS
    ),
)

# Calls that the protocols allow: method, positional and keyword arguments.
CALLS = {
    "SpaceLike": [("sample", [], []), ("contains", [0], []), ("seed", [], ["seed"])],
    "EnvLike": [("reset", [], ["seed", "options"]), ("step", [0], []), ("close", [], [])],
    "VectorEnvLike": [("reset", [], ["seed", "options"]), ("step", [0], []), ("close", [], [])],
}


def gaps(value: Any, protocol: str) -> list[str]:
    """What `value` lacks of the structure of a protocol."""
    missing = [name for owner, name, _, _ in PROPERTIES if owner == protocol]
    missing = [name for name in missing if not hasattr(value, name)]
    for name, arguments, keywords in CALLS[protocol]:
        try:
            inspect.signature(getattr(value, name)).bind(*arguments, **dict.fromkeys(keywords))
        except (AttributeError, TypeError) as error:
            missing.append(f"{name}: {error}")
    return missing


@pytest.mark.parametrize("method", METHODS, ids=lambda method: f"{method.owner}.{method.text}")
def test_methods(method: Method) -> None:
    function = getattr(getattr(types, method.owner), method.text.partition("(")[0])
    signature = inspect.signature(function)
    plain = [p.replace(annotation=p.empty) for p in signature.parameters.values()][1:]
    assert method.text.endswith(
        str(signature.replace(parameters=plain, return_annotation=signature.empty))
    )
    assert function.__annotations__ == {**method.types, "return": method.result}
    assert function.__doc__.replace("`", "").startswith(method.says)


@pytest.mark.parametrize(("owner", "name", "kind", "says"), PROPERTIES)
def test_properties(owner: str, name: str, kind: str, says: str) -> None:
    found = vars(getattr(types, owner))[name]
    assert isinstance(found, property)
    assert found.fget is not None and found.fget.__annotations__ == {"return": kind}
    assert found.__doc__ == says


@pytest.mark.parametrize(("name", "parameters", "says"), PROTOCOLS)
def test_protocols(name: str, parameters: str, says: str) -> None:
    protocol = getattr(types, name)
    (base,) = protocol.__orig_bases__
    assert typing.get_origin(base) is typing.Protocol
    assert ", ".join(x.__name__ for x in typing.get_args(base)) == parameters
    assert protocol.__doc__.startswith(says)
    assert str(inspect.signature(protocol.__init__)) == "(self, *args, **kwargs)"


def test_nothing_more_is_asked_for() -> None:
    for name, _, _ in PROTOCOLS:
        public = {x for x in vars(getattr(types, name)) if not x.startswith("_")}
        listed = {m.text.partition("(")[0] for m in METHODS if m.owner == name}
        assert public == listed | {x for owner, x, _, _ in PROPERTIES if owner == name}


def test_the_names_are_public() -> None:
    """Public structural protocols and shared value aliases."""
    assert {name for name, _, _ in PROTOCOLS} <= set(types.__all__)
    assert "NativeValue" in types.__all__
    assert rlmesh.types is types


def test_ours_follow_them(counter: rlmesh.EnvServer) -> None:
    """structural protocols accepted by EnvServer"""
    assert gaps(CounterEnv(), "EnvLike") == []
    assert gaps(CounterEnv.observation_space, "SpaceLike") == []
    with rlmesh.RemoteEnv(counter.address) as env:
        assert gaps(env, "EnvLike") == []
        assert gaps(env.action_space, "SpaceLike") == []


def test_gymnasiums_follow_them() -> None:
    gym = pytest.importorskip("gymnasium")
    from rlmesh.numpy import RemoteEnv, RemoteVectorEnv

    env, vector = gym.make("CartPole-v1"), gym.make_vec("CartPole-v1", 2, "sync")
    assert gaps(env, "EnvLike") == [] and gaps(vector, "VectorEnvLike") == []
    assert gaps(env.observation_space, "SpaceLike") == []
    with rlmesh.EnvServer(env) as server, RemoteEnv(server.address) as remote:
        assert gaps(remote, "EnvLike") == []
    with rlmesh.EnvServer(vector) as server, closing(RemoteVectorEnv(server.address)) as remote:
        assert gaps(remote, "VectorEnvLike") == []


def test_an_object_that_only_follows_them_is_served() -> None:
    class Lanes:
        num_envs = 2
        single_observation_space = rlmesh.spaces.Discrete(9)
        single_action_space = rlmesh.spaces.Discrete(9)

        def reset(self, *, seed: Any = None, options: Any = None) -> Any:
            return [3, 4], {}

        def step(self, actions: Any) -> Any:
            return actions, [1.0, 2.0], [True, False], [False, False], {}

        def close(self) -> None:
            pass

    assert gaps(Lanes(), "VectorEnvLike") == []
    with rlmesh.EnvServer(Lanes()) as server, rlmesh.RemoteVectorEnv(server.address) as env:
        assert env.num_envs == 2
        assert env.reset(seed=1, options={})[0].tolist() == [3, 4]
        observation, reward, terminated, truncated, _info = env.step([5, 6])
        assert observation.tolist() == [5, 6]
        assert reward.tolist() == [1.0, 2.0]
        assert (terminated.tolist(), truncated.tolist()) == ([True, False], [False, False])


@pytest.mark.parametrize("quotation", quotations(globals()), ids=named)
def test_the_page_says(quotation: str) -> None:
    assert_on_page(PAGE, quotation)
