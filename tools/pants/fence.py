"""The fence: which part of the code may import what.

One table for two readers: Pants, for whose BUILD files this is a prelude (so it runs on Python 3.9,
imports nothing and annotates no variable), and tools/tests/test_fence.py, which needs no Pants.
"""

# The import roots that have rules, and the folders that they lie in.
FENCED = (
    ("rlmesh_proto", "gen/python/src"),
    ("rlmesh", "packages/core/src"),
    ("rlmesh_numpy", "packages/numpy/src"),
    ("rlmesh_torch", "packages/torch/src"),
    ("rlmesh_jax", "packages/jax/src"),
)

# What a distribution of requirements/ is imported as, where that is not its name.
IMPORTED_AS = (
    ("grpcio", ("grpc",)),
    ("grpcio-health-checking", ("grpc_health",)),
    ("grpcio-reflection", ("grpc_reflection",)),
    ("protobuf", ("google.protobuf",)),
    ("stable-baselines3", ("stable_baselines3",)),
)

NOUNS = (
    "rlmesh._elements",
    "rlmesh._optional",
    "rlmesh._reusable_buffer",
    "rlmesh._buffers",
    "rlmesh._version",
    "rlmesh.adapters",
    "rlmesh.backends",
    "rlmesh.dtypes",
    "rlmesh.errors",
    "rlmesh.options",
    "rlmesh.results",
    "rlmesh.spaces",
    "rlmesh.specs",
    "rlmesh.tensor",
    "rlmesh.types",
)
REEXPORTS = ("rlmesh.numpy", "rlmesh.torch", "rlmesh.jax")
# What a backend builds on: the nouns, the codec's lanes, and the clients that it makes its own.
BASE = (*NOUNS, "rlmesh._codec", "rlmesh._models", "rlmesh._client", "typing_extensions")

# (modules, what they may import besides each other), the first row that a module is under.
MAY_IMPORT = (
    (("rlmesh_proto",), ("google.protobuf", "grpc", "typing_extensions")),
    # rlmesh_numpy, by name and when it is asked for: it alone knows Gymnasium's spaces.
    (("rlmesh.spaces._gymnasium",), (*NOUNS, "rlmesh_numpy")),
    # How a run is written, by the rooms above and when it is asked for.
    (
        ("rlmesh.results._outputs",),
        (*NOUNS, "rlmesh._reporting", "rlmesh._session.versions", "rlmesh._wire.results"),
    ),
    (NOUNS, ()),
    (("rlmesh._reporting",), (*NOUNS, "pandas", "rich")),
    (
        ("rlmesh._recording",),
        (
            *NOUNS,
            *("rlmesh._codec", "rlmesh._policy.events", "rlmesh._wire.stored"),
            *("av", "numpy", "pyarrow"),
        ),
    ),
    (("rlmesh._transport",), (*NOUNS, "grpc", "grpc_health", "grpc_reflection")),
    (("rlmesh._wire",), (*NOUNS, "google.protobuf", "rlmesh_proto")),
    (("rlmesh._codec",), (*NOUNS, "rlmesh._wire")),
    (("rlmesh._session",), (*NOUNS, "rlmesh._codec", "rlmesh._wire")),
    # When one is served: the spaces of an environment of Gymnasium, the backend of its framework.
    (
        ("rlmesh._env_host",),
        (
            *NOUNS,
            *("rlmesh._codec", "rlmesh._session", "rlmesh._wire", "rlmesh_numpy", *REEXPORTS),
            # Where it is installed, factories go to worker processes by it.
            "cloudpickle",
        ),
    ),
    # What containers start; rlmesh_numpy: the environments that Gymnasium makes by their names.
    (
        ("rlmesh._cli.serve_env", "rlmesh._cli.sources", "rlmesh._cli.main"),
        ("rlmesh", "rlmesh_numpy", "rich", "typer"),
    ),
    (("rlmesh._cli",), ("rlmesh", "rich", "typer")),
    # They re-export the distribution that is published beside core.
    (("rlmesh.numpy",), ("rlmesh_numpy",)),
    (("rlmesh.torch",), ("rlmesh_torch",)),
    (("rlmesh.jax",), ("rlmesh_jax",)),
    # For types alone: the options that models have in common.
    (("rlmesh._models.native",), ("rlmesh", "typing_extensions")),
    # The api, which composes: all of core and no library.
    (("rlmesh",), ()),
    (("rlmesh_numpy",), (*BASE, "gymnasium", "ml_dtypes", "numpy")),
    (("rlmesh_torch",), (*BASE, "numpy", "rlmesh_numpy", "torch")),
    (("rlmesh_jax",), (*BASE, "jax", "ml_dtypes", "numpy", "rlmesh_numpy")),
)


def fence() -> tuple[tuple[object, ...], ...]:
    """The table as `__dependencies_rules__` of Pants; what is not in it may import anything.

    Pants cannot tell `from rlmesh import EnvServer` from what every module of a package depends on,
    its `__init__.py`; the test can.
    """
    rows: list[tuple[object, ...]] = []
    for modules, allowed in MAY_IMPORT:
        own = [glob for module in modules for glob in globs(module)]
        others = [glob for module in allowed for glob in globs(module)]
        package = modules[0].partition(".")[0]
        above = f"//{dict(FENCED)[package]}/{package}/__init__.py"
        rows.append((own, *own, *others, above, "<files>", "!*"))
    return (*rows, ("*", "*"))


def globs(module: str) -> list[str]:
    """Where Pants finds a module: one of ours by its path, a library by its requirement."""
    folder = dict(FENCED).get(module.partition(".")[0])
    if folder is not None:
        path = f"//{folder}/{module.replace('.', '/')}"
        return [f"{path}.py", f"{path}/**"]
    named = [name for name, modules in IMPORTED_AS if module in modules]
    name = named[0] if named else module.replace("_", "-")
    return [f"//requirements/**#{prefix}{name}" for prefix in ("", "types-")]
