"""Joins the modules of packages/thin into the one file that `rlmesh thin` prints."""
