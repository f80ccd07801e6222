"""Builds wheels and sdists, and tries them in empty environments as a user would."""
