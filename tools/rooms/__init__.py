"""The map of rooms in CONTRIBUTING.md, generated from the import rules in pyproject.toml.

python3 -m tools.rooms            # write the map
python3 -m tools.rooms --check    # fail if the map is not current
"""
