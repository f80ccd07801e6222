"""The command line: `rlmesh`, and the module that containers start."""
