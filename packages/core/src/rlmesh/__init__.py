"""RLMesh: a versioned contract between a model and the environment it is evaluated in.

`EnvServer` serves an environment in one process; `RemoteEnv` or `Model` plays it in another. This
package needs neither NumPy nor Gymnasium; `rlmesh.numpy`, `rlmesh.torch` and `rlmesh.jax` have the
same names for values of those libraries.
"""

from rlmesh import adapters, errors, spaces, specs, types
from rlmesh._client.env import RemoteEnv, RemoteVectorEnv
from rlmesh._client.model import RemoteModel
from rlmesh._evaluation.evaluate import evaluate
from rlmesh._models.native import Model
from rlmesh._policy.events import (
    CloseEvent,
    EpisodeEndEvent,
    Hooks,
    ResetEvent,
    RunStartEvent,
    StepEvent,
)
from rlmesh._policy.forms import EpisodeContext
from rlmesh._policy.random_sample import RANDOM_SAMPLE
from rlmesh._server.env_server import EnvServer
from rlmesh._server.model_server import ModelServer
from rlmesh._version import __version__
from rlmesh.options import TLS, ServeOptions
from rlmesh.results import EpisodeEnd, EpisodeResult, RunResult
from rlmesh.tensor import Tensor

__all__ = [
    "RANDOM_SAMPLE",
    "TLS",
    "CloseEvent",
    "EnvServer",
    "EpisodeContext",
    "EpisodeEnd",
    "EpisodeEndEvent",
    "EpisodeResult",
    "Hooks",
    "Model",
    "ModelServer",
    "RemoteEnv",
    "RemoteModel",
    "RemoteVectorEnv",
    "ResetEvent",
    "RunResult",
    "RunStartEvent",
    "ServeOptions",
    "StepEvent",
    "Tensor",
    "__version__",
    "adapters",
    "errors",
    "evaluate",
    "spaces",
    "specs",
    "types",
]
