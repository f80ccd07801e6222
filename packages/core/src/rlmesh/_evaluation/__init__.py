"""Evaluation of one model over many environments."""
