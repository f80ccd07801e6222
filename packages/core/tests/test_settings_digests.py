"""Digests of the settings of a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from rlmesh._wire.run_settings import model_digest, spaces_digest, tags_digest
from rlmesh.adapters import EnvTags, Feature, ModelSpec, TaggedLeaf
from rlmesh.spaces import Box, Discrete
from rlmesh.specs import EnvContract

CONTRACT = EnvContract("A-v0", Box(-1, 1, (3,), "float32"), Discrete(2))
TAGS = EnvTags((TaggedLeaf((), Feature("state", element_names=("x", "y", "z"))),))
DIGESTS = (
    "from tests_of_settings import CONTRACT, TAGS, SPEC; "
    "from rlmesh._wire.run_settings import model_digest, spaces_digest, tags_digest; "
    "print(model_digest(SPEC), spaces_digest(CONTRACT), tags_digest(TAGS))"
)
SPEC = ModelSpec(id="m", chunk_length=4, metadata={"rlmesh.offered": ["chunk"]}, spec_version="1")


KNOWN_DIGESTS = (
    "75c18236f3b874da1f033087eef4a7cfc9fa291ff28640b8cd6172e3fa167bc0",
    "3c460216d9673f9579b44dc2ac3dda4194b20d094f372662b0c14eecc5732270",
    "d299a040c37bf7932e97c73d4aedaa8b3bed9780316304578e7fb836bf8448de",
)


def test_digests_are_those_of_every_process_and_platform() -> None:
    """Known ones: a change of them makes every journal of before that of another run."""
    found = (model_digest(SPEC), spaces_digest(CONTRACT), tags_digest(TAGS))
    assert found == KNOWN_DIGESTS
    assert tags_digest(None) == ""


def test_digests_do_not_depend_on_the_hash_seed_or_the_protobuf_in_python() -> None:
    folder = str(Path(__file__).parent)
    code = DIGESTS.replace("tests_of_settings", Path(__file__).stem)
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {folder!r}); {code}"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={
            **os.environ,
            "PYTHONHASHSEED": "7",
            "PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION": "python",
        },
    )
    assert tuple(done.stdout.split()) == KNOWN_DIGESTS
