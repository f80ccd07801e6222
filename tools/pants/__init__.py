"""Pants, in an environment of its own: packages, and what a change touches.

python3 -m tools.pants GOAL ...     # any goal or option of Pants
"""
