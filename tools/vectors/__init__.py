"""Writes the golden conformance vectors of `spec/vectors` from declared cases.

Everything here is a second opinion on the schema: a slow, literal reference codec written from the
comments of `spec/proto`, sharing no code with the production codec. Run `python -m tools.vectors`
from the repository's root (`--check` compares with the files on disk).
"""
