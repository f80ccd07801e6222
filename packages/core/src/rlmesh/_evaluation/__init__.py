"""Evaluation: episodes of one model over many environments."""
