"""Writes the measured figures of the documentation from benchmarks/RESULTS.md.

python -m tools.figures            # write them into docs/
python -m tools.figures --check    # fail if they are not current
"""
