"""Checks that every version in the repository is that of spec/VERSION, and raises them together.

python3 -m tools.versions check
python3 -m tools.versions bump 1.0.0rc2
"""
