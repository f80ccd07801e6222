"""Trackers of experiments: hooks that log a run to a file or a service."""
