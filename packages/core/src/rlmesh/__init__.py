"""RLMesh: a versioned contract between a model and the environment it is evaluated in.

`EnvServer` serves an environment in one process; `RemoteEnv` or `Model` plays it in another. This
package needs neither NumPy nor Gymnasium; `rlmesh.numpy`, `rlmesh.torch` and `rlmesh.jax` are the
same in their values.
"""

from rlmesh import adapters, errors, spaces, specs, types
from rlmesh._models.events import CloseEvent, EpisodeEndEvent, ResetEvent
from rlmesh._models.native import Model
from rlmesh._remote.env import RemoteEnv, RemoteVectorEnv
from rlmesh._remote.model import RemoteModel
from rlmesh._server import EnvServer
from rlmesh._serving.server import ModelServer
from rlmesh._version import __version__
from rlmesh.options import TLS, ServeOptions
from rlmesh.results import EpisodeEnd, EpisodeResult, RunResult
from rlmesh.tensor import Tensor

__all__ = [
    "TLS",
    "CloseEvent",
    "EnvServer",
    "EpisodeEnd",
    "EpisodeEndEvent",
    "EpisodeResult",
    "Model",
    "ModelServer",
    "RemoteEnv",
    "RemoteModel",
    "RemoteVectorEnv",
    "ResetEvent",
    "RunResult",
    "ServeOptions",
    "Tensor",
    "__version__",
    "adapters",
    "errors",
    "spaces",
    "specs",
    "types",
]
