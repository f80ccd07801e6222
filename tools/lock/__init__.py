"""Compiles the pinned requirements: requirements/*.in to *.txt."""
