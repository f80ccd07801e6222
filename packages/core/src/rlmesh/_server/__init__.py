"""Servers: `EnvServer`, `ModelServer` and what both share."""

from rlmesh._installation import check_installation

# If another project has replaced `rlmesh/__init__.py`, this is the first file of this project that
# `import rlmesh` finds, in place of the other's `_server.py`; then the import fails.
check_installation()
