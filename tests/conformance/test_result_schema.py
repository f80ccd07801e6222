"""The published JSON Schema of results, and the documents that are written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from rlmesh._reporting import json_document
from rlmesh.results import RunResult
from tests.conformance.json_schema import schema_problems
from tests.conformance.test_fields import RUN
from tests.property.test_results import RUNS

PATH = Path(__file__).parents[2] / "spec/schemas/run_result.schema.json"
SCHEMA = json.loads(PATH.read_text("utf-8"))


def problems(document: Any) -> list[str]:
    return list(schema_problems(document, SCHEMA, SCHEMA))


@given(run=RUNS)
def test_every_document_fits_the_schema(run: RunResult) -> None:
    assert problems(json.loads(run.to_json())) == []


def _named(schema: Any, value: Any, path: str) -> None:
    """Check that an object has exactly the fields that its schema names."""
    schema = (
        SCHEMA["$defs"][schema["$ref"].removeprefix("#/$defs/")] if "$ref" in schema else schema
    )
    for part in schema.get("anyOf", ()):
        if value is not None and part != {"type": "null"}:
            _named(part, value, path)
    if "properties" in schema:
        assert list(schema["properties"]) == list(value), path
        assert list(schema["required"]) == list(value), path
        for name, part in schema["properties"].items():
            _named(part, value[name], f"{path}.{name}")
    for i, item in enumerate(value if "items" in schema and value else ()):
        _named(schema["items"], item, f"{path}[{i}]")


def test_the_schema_names_every_field_and_no_other() -> None:
    document = json.loads(RUN.to_json())
    _named(SCHEMA, document, "$")
    assert problems(document) == []
    assert SCHEMA["properties"]["schema_version"]["const"] == json_document.SCHEMA_VERSION


@pytest.mark.parametrize(
    ("place", "value"),
    [
        (("schema_version",), 2),
        (("summary", "mean_reward"), "NaN"),
        (("summary", "reward_interval"), [1.0]),
        (("episodes", 0, "seed"), 2**53),
        (("episodes", 0, "seed"), "18446744073709551615"),
        (("episodes", 0, "end"), "EPISODE_END_ERROR"),
        (("episodes", 0, "non_finite"), {"reward": "NaN"}),
        (("settings", "seeded"), None),
        (("warnings",), {"kind": -1}),
    ],
)
def test_the_schema_refuses_what_is_never_written(place: tuple[Any, ...], value: Any) -> None:
    document = json.loads(RUN.to_json())
    parent = document
    for step in place[:-1]:
        parent = parent[step]
    parent[place[-1]] = value
    assert problems(document)
