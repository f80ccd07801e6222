"""Writes the golden conformance vectors of `spec/vectors` from declared cases.

This package is a second opinion on the schema: a slow, literal reference codec written from the
comments of `spec/proto`, without any code of the production codec. Run `python -m tools.vectors` in
the repository's root (`--check` compares with the files on disk).
"""
