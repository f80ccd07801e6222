"""Runs the fuzz targets of `tests/fuzz` in an environment of their own."""
