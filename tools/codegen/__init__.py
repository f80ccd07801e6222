"""Generates gen/ from spec/proto.

    python3 -m tools.codegen            # write gen/
    python3 -m tools.codegen --check    # generate elsewhere and compare, file by file

The generators have environments of their own, build/codegen-venv and build/codegen-node, made on
first use from requirements/codegen.txt and tools/codegen/package.json. This package imports only
the standard library, so that any Python from 3.10 on can start it.
"""
