"""Converts declared cases to the JSON files, and checks each with the reference codec."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message

from .adapters import adapter_json, bad_adapter_json
from .cases import (
    adapters_actions,
    adapters_depth,
    adapters_episodes,
    adapters_images,
    adapters_invalid,
    adapters_misfits,
    adapters_refused,
    adapters_resampling,
    adapters_rotations,
    adapters_states,
    aligned,
    dynamic_invalid,
    dynamic_valid,
    journals,
    sessions_env,
    sessions_frames,
    sessions_model,
    sessions_vectors,
    sessions_views,
    shared_memory,
    spaces_invalid,
    spaces_leaves,
    spaces_nested,
    values_invalid,
    values_leaves,
    values_nested,
)
from .cases.rules import RULES, UNUSUAL
from .check import check
from .declare import BadDynamic, BadSpace, BadValue, ValidDynamic, ValidSpace, ValidValue
from .decode import decode
from .dynamic import message, parse
from .encode import encode
from .ranges import conforms
from .rejected import Rejected
from .spaces import describe
from .transcripts import transcript_json
from .values import Tagged, b64

__all__ = ["build"]

Json = dict[str, Any]
Case = TypeVar("Case")


def build() -> dict[str, str]:
    """Return the text of every file, by its path below spec/vectors.

    Raises:
        ValueError: If a case is not what it is declared to be, or a name is used twice.
    """
    files: dict[str, list[Json]] = {
        "valid/spaces/box.json": _each(_space, spaces_leaves.BOXES),
        "valid/spaces/integers.json": _each(_space, spaces_leaves.INTEGRAL),
        "valid/spaces/text.json": _each(_space, spaces_leaves.TEXTS),
        "valid/spaces/nested.json": _each(_space, spaces_nested.NESTED),
        "valid/values/box.json": _each(_value, values_leaves.BOXES),
        "valid/values/integers.json": _each(_value, values_leaves.INTEGRAL),
        "valid/values/text.json": _each(_value, values_leaves.TEXTS),
        "valid/values/containers.json": _each(_value, values_nested.CONTAINERS),
        "valid/values/ragged.json": _each(_value, values_nested.RAGGED),
        "valid/dynamic/simple.json": _each(_dynamic, dynamic_valid.SIMPLE),
        "valid/dynamic/numbers.json": _each(_dynamic, dynamic_valid.NUMBERS),
        "valid/dynamic/containers.json": _each(_dynamic, dynamic_valid.CONTAINERS),
        "invalid/spaces/box.json": _each(_bad_space, spaces_invalid.BOXES),
        "invalid/spaces/integers.json": _each(_bad_space, spaces_invalid.INTEGRAL),
        "invalid/spaces/text.json": _each(_bad_space, spaces_invalid.TEXTS),
        "invalid/spaces/nested.json": _each(_bad_space, spaces_invalid.NESTED),
        "invalid/values/sizes.json": _each(_bad_value, values_invalid.SIZES),
        "invalid/values/leaves.json": _each(_bad_value, values_invalid.LEAVES),
        "invalid/values/nested.json": _each(_bad_value, values_invalid.NESTED),
        "invalid/dynamic/all.json": _each(_bad_dynamic, dynamic_invalid.ALL),
        "sessions/env/episodes.json": _each(transcript_json, sessions_env.EPISODES),
        "sessions/env/order.json": _each(transcript_json, sessions_env.ORDER),
        "sessions/env/resumes.json": _each(transcript_json, sessions_env.RESUMES),
        "sessions/env/ends.json": _each(transcript_json, sessions_env.ENDS),
        "sessions/env/vectors.json": _each(transcript_json, sessions_vectors.MODES),
        "sessions/env/progress.json": _each(transcript_json, sessions_env.PROGRESS),
        "sessions/env/views.json": _each(transcript_json, sessions_views.VIEWS),
        "sessions/model/all.json": _each(transcript_json, sessions_model.MODELS),
        "sessions/frames/all.json": _each(transcript_json, sessions_frames.FRAMES),
        "sessions/memory/all.json": _each(asdict, shared_memory.FRAMES),
        "sessions/aligned/all.json": _each(asdict, aligned.FRAMES),
        "sessions/journals/all.json": _each(_journal, journals.JOURNALS),
        "adapters/valid/resampling.json": _each(adapter_json, adapters_resampling.RESAMPLED),
        "adapters/valid/images.json": _each(adapter_json, adapters_images.IMAGES),
        "adapters/valid/depth.json": _each(adapter_json, adapters_depth.DEPTHS),
        "adapters/valid/rotations.json": _each(adapter_json, adapters_rotations.ROTATIONS),
        "adapters/valid/states.json": _each(adapter_json, adapters_states.STATES),
        "adapters/valid/vectors.json": _each(adapter_json, adapters_states.VECTORS),
        "adapters/valid/histories.json": _each(adapter_json, adapters_episodes.HISTORIES),
        "adapters/valid/texts.json": _each(adapter_json, adapters_episodes.TEXTS),
        "adapters/valid/actions.json": _each(adapter_json, adapters_actions.ACTIONS),
        "adapters/invalid/tags.json": _each(bad_adapter_json, adapters_invalid.TAGS),
        "adapters/invalid/specs.json": _each(bad_adapter_json, adapters_invalid.SPECS),
        "adapters/invalid/inputs.json": _each(bad_adapter_json, adapters_misfits.INPUTS),
        "adapters/invalid/outputs.json": _each(bad_adapter_json, adapters_refused.OUTPUTS),
        "adapters/invalid/values.json": _each(bad_adapter_json, adapters_refused.REFUSED),
    }
    _check_names(files)
    return {path: _text(cases) for path, cases in files.items()}


def _each(make: Callable[[Case], Json], cases: Sequence[Case]) -> list[Json]:
    return [make(case) for case in cases]


def _check_names(files: dict[str, list[Json]]) -> None:
    """Refuse a name that two cases of one folder share."""
    seen: set[tuple[str, str]] = set()
    for path, cases in files.items():
        for case in cases:
            name = (path.rsplit("/", 1)[0], case["name"])
            if name in seen:
                raise ValueError(f"two cases named {name}")
            seen.add(name)


def _text(cases: list[Json]) -> str:
    """Return one file, with one case a line, so that a change shows only the lines it concerns."""
    lines = ",\n".join(json.dumps(case, ensure_ascii=True) for case in cases)
    return f'{{"format": 1, "cases": [\n{lines}\n]}}\n'


def _wire(made: Message) -> str:
    return b64(made.SerializeToString(deterministic=True))


def _journal(case: journals.JournalFile) -> Json:
    records = [MessageToDict(r, preserving_proto_field_name=True) for r in case.records]
    return {"name": case.name, "hex": case.data.hex(), "records": records}


def _space(case: ValidSpace) -> Json:
    check(case.space)
    made = {"name": case.name, "space_proto": _wire(case.space)}
    if case.canonical is not None:
        check(case.canonical)
        made["canonical_proto"] = _wire(case.canonical)
    return {**made, "space": describe(case.canonical or case.space)}


def _value(case: ValidValue) -> Json:
    check(case.space)
    values: list[Tagged] = list(case.values)
    slabs = encode(case.space, values)
    if decode(case.space, slabs, len(values)) != values:
        raise ValueError(f"{case.name}: decodes to another value")
    if not case.batch and len(values) != 1:
        raise ValueError(f"{case.name}: {len(values)} values, not a batch")
    return {
        "name": case.name,
        "space_proto": _wire(case.space),
        "space": describe(case.space),
        "batch_size": len(values) if case.batch else None,
        "slabs": [b64(slab) for slab in slabs],
        "conforms": all(conforms(case.space, value) for value in values),
        "value": {"batch": values} if case.batch else values[0],
    }


def _dynamic(case: ValidDynamic) -> Json:
    canonical = message(case.value).SerializeToString(deterministic=True)
    data = canonical if case.data is None else case.data
    for read in (data, canonical):
        if parse(read) != case.value:
            raise ValueError(f"{case.name}: reads as another value")
    made: Json = {"name": case.name, "proto": b64(data)}
    if case.data is not None:
        made["canonical_proto"] = b64(canonical)
    return {**made, "value": case.value}


def _refused(case: BadSpace | BadValue | BadDynamic, read: Callable[[], object]) -> Json:
    """Return the JSON of an invalid case, after the reference codec has refused it as declared."""
    try:
        read()
    except Rejected as error:
        contract = case.rule.split()[0]
        usual = "INVALID_VALUE" if isinstance(case, BadValue) else "MALFORMED"
        code = UNUSUAL.get(case.rule, UNUSUAL.get(contract, usual))
        if error.code != code:
            raise ValueError(f"{case.name}: declared {code}, but {error}") from None
        return {
            "contract": contract,
            "rule": RULES[case.rule],
            "code": f"ERROR_CODE_{code}",
            "error_path": error.path,
        }
    raise ValueError(f"{case.name}: declared invalid, but it is taken")


def _bad_space(case: BadSpace) -> Json:
    why = _refused(case, lambda: check(case.space))
    return {"name": case.name, "space_proto": _wire(case.space), **why}


def _bad_value(case: BadValue) -> Json:
    check(case.space)
    n = 1 if case.batch_size is None else case.batch_size
    why = _refused(case, lambda: decode(case.space, list(case.slabs), n))
    return {
        "name": case.name,
        "space_proto": _wire(case.space),
        "space": describe(case.space),
        "batch_size": case.batch_size,
        "slabs": [b64(slab) for slab in case.slabs],
        **why,
    }


def _bad_dynamic(case: BadDynamic) -> Json:
    why = _refused(case, lambda: parse(case.data))
    return {"name": case.name, "proto": b64(case.data), **why}
