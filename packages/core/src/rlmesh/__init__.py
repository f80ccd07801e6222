"""RLMesh: a versioned contract between a model and the environment it is evaluated in.

`EnvServer` serves an environment in one process; `RemoteEnv` or `Model` plays it in another. This
package needs neither NumPy nor Gymnasium; `rlmesh.numpy`, `rlmesh.torch` and `rlmesh.jax` have the
same names for values of those libraries.

A public name is imported when it is first used (PEP 562), so that `import rlmesh` loads neither
gRPC nor protobuf.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from rlmesh._declaration_formats import LazyDeclarationFormats
from rlmesh._documents import install as install_documents
from rlmesh._installation import check_installation
from rlmesh._lazy import lazy_names
from rlmesh._result_formats import LazyResultFormats
from rlmesh._version import __version__
from rlmesh.results._formats import install

if TYPE_CHECKING:
    from rlmesh import acting, adapters, endpoints, errors, spaces, specs, stopping, types
    from rlmesh._client.env import RemoteEnv
    from rlmesh._client.vector_env import RemoteVectorEnv
    from rlmesh._client.wait import wait
    from rlmesh._env_host.progress import report_progress
    from rlmesh._evaluation.endpoint import Endpoint
    from rlmesh._evaluation.suite import Episode, Task
    from rlmesh._models.evaluate import evaluate
    from rlmesh._models.native import Model
    from rlmesh._models.remote_model import RemoteModel
    from rlmesh._policy.events import (
        CloseEvent,
        EndpointEvent,
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
    from rlmesh.options import TLS, ServeOptions
    from rlmesh.results import EpisodeEnd, EpisodeResult, RunResult
    from rlmesh.tensor import Tensor

__all__ = [
    "RANDOM_SAMPLE",
    "TLS",
    "CloseEvent",
    "Endpoint",
    "EndpointEvent",
    "EnvServer",
    "Episode",
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
    "Task",
    "Tensor",
    "__version__",
    "acting",
    "adapters",
    "endpoints",
    "errors",
    "evaluate",
    "report_progress",
    "spaces",
    "specs",
    "stopping",
    "types",
    "wait",
]

check_installation()
install(LazyResultFormats())
install_documents(LazyDeclarationFormats())

_MODULES = {
    "RANDOM_SAMPLE": "_policy.random_sample",
    "TLS": "options",
    "CloseEvent": "_policy.events",
    "Endpoint": "_evaluation.endpoint",
    "EndpointEvent": "_policy.events",
    "EnvServer": "_server.env_server",
    "Episode": "_evaluation.suite",
    "EpisodeContext": "_policy.forms",
    "EpisodeEnd": "results",
    "EpisodeEndEvent": "_policy.events",
    "EpisodeResult": "results",
    "Hooks": "_policy.events",
    "Model": "_models.native",
    "ModelServer": "_server.model_server",
    "RemoteEnv": "_client.env",
    "RemoteModel": "_models.remote_model",
    "RemoteVectorEnv": "_client.vector_env",
    "ResetEvent": "_policy.events",
    "RunResult": "results",
    "RunStartEvent": "_policy.events",
    "ServeOptions": "options",
    "StepEvent": "_policy.events",
    "Task": "_evaluation.suite",
    "Tensor": "tensor",
    "evaluate": "_models.evaluate",
    "report_progress": "_env_host.progress",
    "acting": "acting",
    "adapters": "adapters",
    "endpoints": "endpoints",
    "errors": "errors",
    "spaces": "spaces",
    "specs": "specs",
    "stopping": "stopping",
    "types": "types",
    "wait": "_client.wait",
}
"""Module of each public name."""

__getattr__ = lazy_names(__name__, _MODULES)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
