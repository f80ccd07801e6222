"""Runs the notebooks of examples/notebooks, and writes or checks what their cells print.

.venv/bin/python -m tools.notebooks            # run them, and write their outputs
.venv/bin/python -m tools.notebooks --check    # fail if a cell prints something else
"""
