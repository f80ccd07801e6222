"""Runs the test suite on the oldest and the newest dependencies that the packages declare."""
