"""The command line: `rlmesh`, and what containers start."""
