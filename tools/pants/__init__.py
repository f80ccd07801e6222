"""Runs Pants in an environment of its own: packages, the fence of imports, effects of a change.

python3 -m tools.pants GOAL ...     # any goal or option of Pants
"""
