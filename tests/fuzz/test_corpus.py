"""What the fuzzer started from and what it has found, played again without it."""

from __future__ import annotations

import tracemalloc
import warnings

import pytest

from tests.cases import for_each
from tests.fuzz import corpus, seeds
from tests.fuzz.minimising import minimised
from tests.fuzz.targets import TARGETS
from tests.size import LONG
from tools.fuzz.__main__ import TARGETS as RUN

SPARE = 32 * 2**20
"""Bytes that an input may cost beyond what its size accounts for."""

COST = 1_024
"""Bytes for each byte of an input, which may be an element that becomes objects of Python."""


def inputs(target: str) -> dict[str, bytes]:
    """Return the inputs of a target by name."""
    return {
        f"{kind}-{name}": data
        for kind in corpus.KINDS
        for name, data in corpus.read(corpus.path_of(target, kind)).items()
    }


def test_a_seed_has_every_field_of_a_contract() -> None:
    contract = seeds._full_contract().contract
    present = {field.name for field, _ in contract.ListFields()}
    assert present == set(contract.DESCRIPTOR.fields_by_name)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("target", TARGETS)
def test_an_input_keeps_the_promises(target: str) -> None:
    found = inputs(target)

    @for_each("name", found)
    def run(name: str) -> None:
        TARGETS[target].run(found[name])

    run()


@pytest.mark.parametrize("target", TARGETS)
def test_no_input_costs_much_memory(target: str) -> None:
    run = TARGETS[target].run
    run(b"")  # What the first call imports and compiles is not the input's.
    found = inputs(target)
    seeds = [name for name in found if name.startswith("seeds-")]
    # Tracing takes most of the time, and seeds are alike.
    left_out = set() if LONG else set(seeds) - set(seeds[::5])
    for name, data in found.items():
        if name in left_out:
            continue
        tracemalloc.start()
        try:
            run(data)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
        assert peak <= SPARE + COST * len(data), f"{name}: {peak} bytes for {len(data)}"


@pytest.mark.parametrize("target", TARGETS)
def test_the_seeds_are_those_of_the_vectors(target: str) -> None:
    assert corpus.path_of(target, "seeds").read_text(encoding="utf-8") == seeds.build()[target], (
        "run: python -m tests.fuzz.seeds"
    )


@pytest.mark.parametrize("target", TARGETS)
def test_bytes_that_are_no_message_are_refused(target: str) -> None:
    for data in (b"", b"\xff", b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\x7f", bytes(range(256))):
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            TARGETS[target].run(data)


def test_a_finding_is_made_small() -> None:
    def run(data: bytes) -> None:
        assert not (b"a" in data and data.endswith(b"z")), "both"

    assert minimised(run, b"xxxxaxxxxxxxyz") == b"az"
    assert minimised(run, b"nothing is wrong here") == b"nothing is wrong here"


def test_the_runner_knows_every_target() -> None:
    assert tuple(TARGETS) == RUN
