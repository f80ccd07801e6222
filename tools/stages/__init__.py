"""Runs the stages of `make test`: one after another in each lane, the lanes beside each other."""
