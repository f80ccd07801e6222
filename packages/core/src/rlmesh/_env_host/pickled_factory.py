"""`PickledFactory`: what a worker process needs to make an environment, as bytes."""

from __future__ import annotations

import importlib
import pickle
import sys
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from rlmesh._env_host.base import EnvHostConfig
from rlmesh._env_host.registered_envs import RegisteredEnvs
from rlmesh._logs import warn

__all__ = ["PickledFactory"]


@dataclass(frozen=True)
class PickledFactory:
    """A factory of environments, and the settings of their host.

    It goes from a server to the processes that it starts, and never comes from a network.

    Attributes:
        factory: Makes the environment.
        config: Settings of the environment's host.
        registered: Gymnasium's ids of the server's process, once the factory is unpacked.
    """

    factory: Callable[[], Any]
    config: EnvHostConfig
    registered: RegisteredEnvs = field(default_factory=RegisteredEnvs)

    def packed(self) -> bytes:
        """Return the factory as bytes.

        cloudpickle packs functions of scripts and lambdas, by value; it comes with Gymnasium.

        Raises:
            TypeError: If the factory cannot be packed.
        """
        pickler: Any = pickle
        try:
            pickler = importlib.import_module("cloudpickle")
        except ImportError:
            if getattr(self.factory, "__module__", None) == "__main__":
                raise TypeError(
                    f"{self.factory!r} is defined in the script that runs, where another process "
                    f"does not find it; define it in a module, or pip install cloudpickle"
                ) from None
        try:
            packed = pickler.dumps(self)
        except Exception as error:
            raise TypeError(
                f"factory={self.factory!r} cannot be sent to a worker process: {error}"
            ) from error
        registered = RegisteredEnvs.of_this_process(pickler.dumps)
        return pickle.dumps((sys.path, packed, registered, _packed_spaces(pickler.dumps)))

    @staticmethod
    def unpacked(data: bytes) -> PickledFactory:
        """Unpack a factory; modules and ids are found as in the process that packed it."""
        path, packed, registered, spaces = pickle.loads(data)
        sys.path[:] = path
        recipe = pickle.loads(packed)
        assert isinstance(recipe, PickledFactory)
        registered.register()
        if spaces is not None:
            custom: Any = importlib.import_module("rlmesh_numpy._custom_spaces")
            custom.add_registrations(pickle.loads(spaces))
        return replace(recipe, registered=registered)


def _packed_spaces(dumps: Callable[[Any], bytes]) -> bytes | None:
    """Return the spaces that were registered with rlmesh-numpy; None: there are none to send."""
    custom: Any = sys.modules.get("rlmesh_numpy._custom_spaces")
    registrations = None if custom is None else custom.registrations()
    if not registrations:
        return None
    try:
        return dumps(registrations)
    except Exception as error:
        words = (
            f"worker processes do not know the registered spaces, which cannot be sent: {error}; "
            f"register them in the module of the factory"
        )
        warn(words, RuntimeWarning, stacklevel=2)
        return None
