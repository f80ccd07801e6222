"""Runs Pants in an environment of its own, for packages and the effects of a change.

python3 -m tools.pants GOAL ...     # any goal or option of Pants
"""
